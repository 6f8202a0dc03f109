"""What ASGI servers load."""

import gc
import os

from django.conf import settings
from django.core.asgi import get_asgi_application

from jobs.kit.loading import loading

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bgreview.settings")
with loading():  # settings first
    django_application = get_asgi_application()

    import bgreview.urls  # noqa: F401  (or the first request would wait for it)
    from bgreview.body_limit import limit_body
    from jobs.api.waiting import Waiting
    from jobs.webhooks import LARGEST, PATH
gc.freeze()  # what was loaded stays: it is not looked through again

limits = {PATH: LARGEST, "/api/": settings.DATA_UPLOAD_MAX_MEMORY_SIZE}
application = Waiting(limit_body(django_application, limits))
