"""The limit: plain Django views without middleware, one hand-written statement each, prepared, and orjson.

The token is checked, but nobody asks the database whether its user still exists; there is no validation, no
limit, no log, no header. What a framework adds is what lies between this and it.
"""

import os
import threading
import uuid

import django
import jwt
import orjson
import psycopg
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

SECRET = os.environ["PEER_SECRET"]

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    SECRET_KEY=SECRET,
    MIDDLEWARE=[],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
)
django.setup()

OBJECT = """
    r.id, r.user_id AS "userId", r.title, r.content, r.status, r.created_at AS "createdAt",
    r.updated_at AS "updatedAt", ARRAY(
        SELECT t.name FROM resource_tags l JOIN tags t ON t.id = l.tag_id WHERE l.resource_id = r.id
    ) AS tags
"""
PAGE = f"""
    SELECT {OBJECT}, (SELECT count(*) FROM resources r WHERE %s) AS total
    FROM resources r WHERE %s ORDER BY r.created_at DESC LIMIT 20
"""
MINE = "r.user_id = %(user)s"
FOUND = f"{MINE} AND (r.title ILIKE %(search)s OR r.content ILIKE %(search)s)"
LIST, SEARCH = PAGE.replace("%s", MINE, 2), PAGE.replace("WHERE %s", f"WHERE {FOUND}")
DETAIL = f"SELECT {OBJECT} FROM resources r WHERE r.id = %(id)s AND {MINE}"
CREATE = """
    WITH made AS (
        INSERT INTO resources (id, user_id, title, content, status)
        VALUES (%(id)s, %(user)s, %(title)s, %(content)s, %(status)s) RETURNING *
    ), wanted AS (
        INSERT INTO tags (id, user_id, name)
        SELECT gen_random_uuid(), %(user)s, name FROM unnest(%(tags)s::text[]) AS name
        ON CONFLICT (user_id, name) DO UPDATE SET name = excluded.name RETURNING id
    ), linked AS (
        INSERT INTO resource_tags SELECT made.id, wanted.id FROM made, wanted
    )
    SELECT id, user_id AS "userId", title, content, status, %(tags)s::text[] AS tags,
        created_at AS "createdAt", updated_at AS "updatedAt"
    FROM made
"""
local = threading.local()


def query(statement, parameters):
    """Rows as dictionaries, by this thread's own connection, over the binary protocol."""
    if not hasattr(local, "cursor"):
        connection = psycopg.connect(autocommit=True, prepare_threshold=0)  # libpq's own variables
        local.cursor = connection.cursor(row_factory=psycopg.rows.dict_row, binary=True)
    return local.cursor.execute(statement, parameters).fetchall()


def caller(request):
    token = request.META["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    return uuid.UUID(jwt.decode(token, SECRET, algorithms=["HS256"])["sub"])


def answer(body, status=200):
    return HttpResponse(orjson.dumps({"success": True, **body}), "application/json", status)


def collection(request):
    if request.method == "POST":
        values = {"status": "draft"} | orjson.loads(request.body)
        rows = query(CREATE, values | {"id": uuid.uuid4(), "user": caller(request)})
        return answer({"data": rows[0]}, 201)
    search = request.GET.get("search")
    parameters = {"user": caller(request)} | ({"search": f"%{search}%"} if search else {})
    rows = query(SEARCH if search else LIST, parameters)
    total = rows[0]["total"] if rows else 0
    for row in rows:
        del row["total"]
    meta = {"page": 1, "limit": 20, "total": total, "totalPages": -(-total // 20)}
    return answer({"data": rows, "meta": meta})


def one(request, resource_id):
    rows = query(DETAIL, {"id": resource_id, "user": caller(request)})
    return answer({"data": rows[0]}) if rows else answer({"success": False}, 404)


urlpatterns = [path("resources", collection), path("resources/<uuid:resource_id>", one)]
application = get_wsgi_application()
