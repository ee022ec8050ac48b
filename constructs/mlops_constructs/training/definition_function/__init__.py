"""The function that writes large definitions to S3; it runs in Lambda, without this library."""
