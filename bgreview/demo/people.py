"""Who works in the demo, and the program that submits to it."""

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User

from jobs.models import ApiToken

PASSWORD = "demo-desk-2026"  # noqa: S105  (told to everyone: it opens loopback only)
PEOPLE = {
    "ann": "Reviewers",
    "bob": "Reviewers",
    "olivia": "Operators",
    "max": "Managers",
    "ada": "Auditors",
}
SHOP = "shop"
HOUSE = "@bgreview.example"  # where our own people get their mail


def make_people() -> None:
    """Those who are missing; who is there stays as is."""
    hashed = ""
    for name, group in PEOPLE.items():
        if not User.objects.filter(username=name).exists():
            hashed = hashed or make_password(PASSWORD)  # half a second, so only once
            _make(name, group, password=hashed, is_staff=True)
    if not User.objects.filter(username=SHOP).exists():
        _make(SHOP, "Integrations", password=make_password(None))


def new_token() -> str:
    """A token for the shop, in place of the last one: only its hash was kept."""
    ApiToken.objects.filter(user__username=SHOP, name="demo").delete()
    shop = User.objects.get(username=SHOP)
    return str(ApiToken.objects.create(user=shop, name="demo")[1])


def _make(name: str, group: str, **fields: object) -> None:
    user = User(username=name, email=f"{name}{HOUSE}", **fields)
    user.save()
    user.groups.set([Group.objects.get(name=group)])
