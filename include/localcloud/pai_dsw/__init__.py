"""PAI-DSW: instances with OSS data mounted."""
