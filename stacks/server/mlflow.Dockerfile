# MLflow with a login, for compose.yaml: the version of satsr's own, since client and database must agree.
FROM python:3.11-slim
RUN pip install --no-cache-dir mlflow==3.17.2 Flask-WTF==1.3.0 psycopg2-binary==2.9.11 boto3==1.43.117
COPY auth.ini /etc/mlflow/auth.ini
RUN useradd --uid 1000 mlflow && mkdir /mlflow && chown mlflow /mlflow
ENV MLFLOW_AUTH_CONFIG_PATH=/etc/mlflow/auth.ini MLFLOW_DISABLE_TELEMETRY=true
USER 1000
CMD ["mlflow", "server", "--app-name", "basic-auth", "--host", "0.0.0.0", "--port", "5000", "--workers", "2", "--artifacts-destination", "s3://mlflow"]
