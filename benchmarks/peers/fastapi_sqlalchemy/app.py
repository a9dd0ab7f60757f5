"""FastAPI as its full-stack template shows it: schemas by pydantic, the user and the session as dependencies."""

import os
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import bcrypt
import jwt
from fastapi import Depends, FastAPI, HTTPException, Query, status
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_sqlalchemy.models import Resource, SessionLocal, Tag, User
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

SECRET = os.environ["PEER_SECRET"]
ALGORITHM = "HS256"
app = FastAPI(openapi_url=None)


# --- schemas --------------------------------------------------------------------------------------


class Credentials(BaseModel):
    email: str
    password: str


class Token(BaseModel):
    access_token: str
    token_type: str = "bearer"


class ResourceCreate(BaseModel):
    title: str = Field(min_length=1, max_length=255)
    content: str = ""
    status: str = Field("draft", pattern="^(draft|published|archived)$")
    tags: list[str] = []


class ResourcePublic(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    user_id: uuid.UUID
    title: str
    content: str
    status: str
    tags: list[str]
    created_at: datetime
    updated_at: datetime

    @field_validator("tags", mode="before")
    @classmethod
    def names(cls, tags: Any) -> list[str]:
        return [tag.name for tag in tags]


class ResourcesPublic(BaseModel):
    data: list[ResourcePublic]
    count: int


# --- dependencies ---------------------------------------------------------------------------------


async def get_session() -> AsyncIterator[AsyncSession]:
    async with SessionLocal() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]
Bearer = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]


async def get_current_user(session: SessionDep, bearer: Bearer) -> User:
    try:
        claims = jwt.decode(bearer.credentials, SECRET, algorithms=[ALGORITHM])
    except jwt.InvalidTokenError as error:
        raise HTTPException(status.HTTP_403_FORBIDDEN, "Could not validate credentials") from error
    user = await session.get(User, uuid.UUID(claims["sub"]))
    if user is None or not user.is_active:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "User not found")
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


# --- routes ---------------------------------------------------------------------------------------


@app.post("/api/login")
async def log_in(session: SessionDep, body: Credentials) -> Token:
    user = (await session.scalars(select(User).where(User.email == body.email))).first()
    if user is None or not await run_in_threadpool(
        bcrypt.checkpw, body.password.encode(), user.hashed_password.encode()
    ):
        raise HTTPException(status.HTTP_400_BAD_REQUEST, "Incorrect email or password")
    claims = {"sub": str(user.id), "exp": datetime.now(UTC) + timedelta(hours=10)}
    return Token(access_token=jwt.encode(claims, SECRET, algorithm=ALGORITHM))


@app.get("/api/resources")
async def list_resources(
    session: SessionDep,
    user: CurrentUser,
    search: str = "",
    skip: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> ResourcesPublic:
    wanted = [Resource.user_id == user.id]
    if search:
        wanted.append(or_(Resource.title.icontains(search), Resource.content.icontains(search)))
    count = await session.scalar(select(func.count()).select_from(Resource).where(*wanted))
    rows = await session.scalars(
        select(Resource)
        .where(*wanted)
        .options(selectinload(Resource.tags))
        .order_by(Resource.created_at.desc())
        .offset(skip)
        .limit(limit)
    )
    return ResourcesPublic(data=[ResourcePublic.model_validate(row) for row in rows], count=count or 0)


@app.get("/api/resources/{resource_id}", response_model=ResourcePublic)
async def get_resource(session: SessionDep, user: CurrentUser, resource_id: uuid.UUID) -> Any:
    resource = await session.get(Resource, resource_id, options=[selectinload(Resource.tags)])
    if resource is None or resource.user_id != user.id:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Resource not found")
    return resource


@app.post("/api/resources", status_code=status.HTTP_201_CREATED, response_model=ResourcePublic)
async def create_resource(session: SessionDep, user: CurrentUser, body: ResourceCreate) -> Any:
    values = body.model_dump()
    names = values.pop("tags")
    found = await session.scalars(select(Tag).where(Tag.user_id == user.id, Tag.name.in_(names)))
    tags = {tag.name: tag for tag in found}
    for name in names:
        tags.setdefault(name, Tag(user_id=user.id, name=name))
    resource = Resource(user_id=user.id, tags=[tags[name] for name in names], **values)
    session.add(resource)
    await session.commit()
    return resource
