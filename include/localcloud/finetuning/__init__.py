"""Fine-tunes and deployments of DashScope: LoRA on the packaged language model, in a process that outlives a kill."""
