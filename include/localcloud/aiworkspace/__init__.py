"""PAI AIWorkSpace: workspaces and the model registry."""
