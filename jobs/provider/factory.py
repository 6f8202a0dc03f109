"""Which provider is asked: the one that was chosen in the settings."""

from django.conf import settings

from jobs.kit.loading import loading
from jobs.provider.base import Provider


async def open_provider() -> Provider:
    """A client for the running event loop. The sandbox speaks the same protocol."""
    # Importing the SDK takes half a second and 45 MB: no business of the web process.
    with loading():
        from jobs.provider.openai import OpenAIProvider

    return OpenAIProvider(
        api_key=settings.OPENAI_API_KEY, base_url=settings.OPENAI_BASE_URL
    )
