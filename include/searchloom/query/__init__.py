"""The online query module: a FastAPI service of its own, which imports no pandas, no torch and no Airflow."""
