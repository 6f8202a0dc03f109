"""What ASGI servers load."""

import os

from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bgreview.settings")
django_application = get_asgi_application()

from bgreview.body_limit import limit_body  # noqa: E402  (settings first)
from jobs.api.waiting import Waiting  # noqa: E402
from jobs.webhooks import LARGEST, PATH  # noqa: E402

limits = {PATH: LARGEST, "/api/": settings.DATA_UPLOAD_MAX_MEMORY_SIZE}
application = Waiting(limit_body(django_application, limits))
