# One image for web and worker: compose.yaml says which runs what.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1
WORKDIR /app

COPY requirements.txt .
RUN pip install --requirement requirements.txt

COPY manage.py ./
COPY bgreview bgreview
COPY jobs jobs
COPY reviews reviews
COPY templates templates

# Static files lie in the image; what changes lies in the database, or in /app/var.
RUN useradd --system bgreview \
    && SECRET_KEY=build python manage.py collectstatic --noinput \
    && chown -R bgreview var
USER bgreview

EXPOSE 8000
CMD ["uvicorn", "--workers", "2", "--lifespan", "off", "--ws", "none", \
     "--host", "0.0.0.0", "--port", "8000", "bgreview.asgi:application"]
