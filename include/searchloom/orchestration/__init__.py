"""Airflow from outside: its connections, its REST API, and ``searchloom run``. Nothing here imports Airflow."""
