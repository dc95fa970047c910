"""The middleware chain as the web role runs it: asynchronous."""

import asyncio

import pytest


@pytest.mark.django_db(transaction=True)
def test_login_headers_and_an_audited_refusal_under_asgi(person):
    import httpx
    from django.core.asgi import get_asgi_application

    from fengsui.people.accounts import services
    from fengsui.people.audit.models import Entry

    password = "Guard-the-Yangtze-7"
    services.create_user(actor=None, username="keeper", password=password, must_change_password=False)

    async def visit() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=get_asgi_application(), client=("10.4.4.4", 999))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            page = await client.get("/accounts/login/")
            form = {
                "login": "keeper",
                "password": password,
                "csrfmiddlewaretoken": client.cookies["csrftoken"],
            }
            login = await client.post("/accounts/login/", data=form)
            refused = await client.get("/admin/login/")
            return [page, login, refused]

    page, login, refused = asyncio.run(visit())
    assert (page.status_code, login.status_code, refused.status_code) == (200, 302, 403)
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    entry = Entry.objects.get(action="admin.open")
    assert (entry.ok, entry.actor_name, entry.source_ip) == (False, "keeper", "10.4.4.4")
    assert entry.request_id == refused.headers["X-Request-ID"]
    assert entry.session
