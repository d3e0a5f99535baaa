"""What `satsr upscale` says of its own result: whether the input fits, what was kept, how far and how sure."""
