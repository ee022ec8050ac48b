"""Jobs as local processes with the container contract of SageMaker."""
