"""The release board: a page of the Airflow UI over the releases and the gates' reports in OSS."""
