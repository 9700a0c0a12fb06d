"""PAI-DLC: training jobs that really run, as processes of this machine."""
