"""What the schema's generator cannot know by itself."""

from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme


class NotedTokenScheme(KnoxTokenScheme):
    """Our tokens are shown as knox's are."""

    target_class = "jobs.kit.tokens.NotedTokenAuthentication"
    name = "token"
