"""One hook a service: from an Airflow connection to a client of ``searchloom.cloud``, and no more."""
