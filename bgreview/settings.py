"""Every setting, read from the environment once; .env.example explains each."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
import structlog
from csp.constants import NONE, SELF

django_stubs_ext.monkeypatch()  # generic classes, as the types know them

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.Env()
env.read_env(BASE_DIR / ".env")

# ---- the house -------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PUBLIC_URL = env.str("PUBLIC_URL", default="http://127.0.0.1:8000")
INSTANCE_ID = env.str("INSTANCE_ID", default="bgreview")  # marks our responses

# ---- the provider ----------------------------------------------------------------
PROVIDER = env.str("PROVIDER", default="")  # "openai" or "sandbox": never a default
OPENAI_API_KEY = env.str("OPENAI_API_KEY", default="")
OPENAI_BASE_URL = env.str("OPENAI_BASE_URL", default="https://api.openai.com/v1")
# Comma-separated while rotating. Split by hand: an empty one must be seen, and told.
_SECRETS = env.str("OPENAI_WEBHOOK_SECRET", default="")
OPENAI_WEBHOOK_SECRETS = [s.strip() for s in _SECRETS.split(",")] if _SECRETS else []

# name=path.to.function, comma-separated: look-ups that answer the model by themselves
TOOL_HANDLERS = env.dict("TOOL_HANDLERS", default={})

# ---- apps ------------------------------------------------------------------------
INSTALLED_APPS = [
    "bgreview.apps.FrontDoorConfig",
    "bgreview.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "axes",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_q",
    "django_structlog",
    "jobs.apps.JobsConfig",
    "reviews.apps.ReviewsConfig",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "bgreview.urls"
ASGI_APPLICATION = "bgreview.asgi.application"
WSGI_APPLICATION = "bgreview.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# ---- data ------------------------------------------------------------------------
DATABASES = {
    "default": env.db("DATABASE_URL", default=f"sqlite:///{VAR_DIR}/bgreview.sqlite3")
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # WAL lets readers and one writer work side by side. IMMEDIATE takes the write
    # lock at BEGIN: taken later, SQLite cannot wait for it and answers "locked".
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
elif env.bool("WEB_DATABASE_POOL", default=False):
    # Each request of an ASGI server has a thread of its own: without a pool every
    # one of them opens a connection. Clusters must not have one: with
    # a pool they notice a restarted database minutes later.
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 2, "max_size": 20}}

# ---- the queue -------------------------------------------------------------------
# `retry` exceeds `timeout`, or a task would run twice at once; a timed-out or failed
# one is not run again, since the rows are the truth and the next sweep looks at them.
# `recycle` is huge because a recycled worker looks like a dead one to the watchdog.
_Q_COMMON: dict[str, Any] = {
    "ack_failures": True,
    "bulk": 10,
    "catch_up": False,
    "guard_cycle": 0.5,
    "max_attempts": 1,
    "poll": 0.5,
    "recycle": 1_000_000,
    "save_limit": 100,
}
SWEEPS = env.int("SWEEPS", default=1)  # sweeps that are started every minute
_Q_BROKER = env.str("Q_BROKER", default="orm")
_Q_COMMON |= {"orm": "default"} if _Q_BROKER == "orm" else {"redis": _Q_BROKER}
Q_CLUSTER = _Q_COMMON | {
    "name": "default",
    "workers": env.int("Q_WORKERS", default=4),
    "timeout": 180,
    "retry": 240,
    "ALT_CLUSTERS": {
        "sweeps": _Q_COMMON | {"workers": 2 + SWEEPS, "timeout": 180, "retry": 240}
    },
}

# ---- people and rights -----------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
LOGIN_URL = "admin:login"
KNOX_TOKEN_MODEL = "jobs.ApiToken"
REST_KNOX = {"TOKEN_TTL": timedelta(days=365), "AUTH_HEADER_PREFIX": "Token"}

# ---- the API ---------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["jobs.kit.tokens.NotedTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "EXCEPTION_HANDLER": "jobs.kit.problems.problem_response",
    "URL_FORMAT_OVERRIDE": None,
}
# How often one token may ask, in each web process; empty: as often as it likes.
API_RATE = env.str("API_RATE", default="1200/minute")
# What was asked when, per token: in the memory of each process.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}
SPECTACULAR_SETTINGS = {
    "TITLE": "bgreview",
    "DESCRIPTION": "Submit background jobs, follow them, and read what was approved.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "bgreview.openapi.complete",
    ],
    "ENUM_NAME_OVERRIDES": {
        "JobStatus": "jobs.models.job.Status",
        "DeliveryStatus": "reviews.models.delivery.Status",
        "CitationVerdict": "reviews.models.review.Verdict",
    },
}

# ---- mail ------------------------------------------------------------------------
vars().update(env.email("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="bgreview@localhost")

# ---- deliveries -------------------------------------------------------------------
# Whether approved results may travel unencrypted, to receivers without https.
DELIVERY_OVER_HTTP = env.bool("DELIVERY_OVER_HTTP", default=False)
# Functions that a destination may name, as "package.module.function".
DELIVERY_HANDLERS = env.list("DELIVERY_HANDLERS", default=[])

# ---- safety in the browser -------------------------------------------------------
# Our pages show hostile text to privileged people: nothing from elsewhere, nothing
# inline, no exceptions for a page.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
HTTPS = PUBLIC_URL.startswith("https://")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000

# ---- words, times, files ---------------------------------------------------------
LANGUAGE_CODE = "en"
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
WHITENOISE_USE_FINDERS = DEBUG

# ---- logs ------------------------------------------------------------------------
_LOG_FIRST: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso"),
    structlog.processors.format_exc_info,
]
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_LOG_FIRST,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": _LOG_FIRST,
            # logfmt escapes what a hostile value could break a line with.
            "processor": structlog.processors.LogfmtRenderer(
                key_order=["timestamp", "level", "logger", "event"], drop_missing=True
            ),
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    # A line for every request says nothing that our own rows and lines do not.
    "loggers": {"httpx2": {"level": "WARNING"}},
}
