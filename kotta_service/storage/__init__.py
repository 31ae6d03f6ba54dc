"""Where the bytes are: uploaded inputs and the outputs of jobs."""
