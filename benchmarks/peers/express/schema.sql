-- The tables of the Express peer and of the bare view.
CREATE TABLE users (
    id uuid PRIMARY KEY,
    email varchar(254) NOT NULL UNIQUE,
    name varchar(100) NOT NULL,
    password_hash varchar(100) NOT NULL
);
CREATE TABLE tags (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    name varchar(50) NOT NULL,
    UNIQUE (user_id, name)
);
CREATE TABLE resources (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    title varchar(255) NOT NULL,
    content text NOT NULL DEFAULT '',
    status varchar(10) NOT NULL DEFAULT 'draft',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX resource_newest ON resources (user_id, created_at DESC);
CREATE TABLE resource_tags (
    resource_id uuid NOT NULL REFERENCES resources ON DELETE CASCADE,
    tag_id uuid NOT NULL REFERENCES tags ON DELETE CASCADE,
    PRIMARY KEY (resource_id, tag_id)
);
CREATE INDEX resource_tags_by_tag ON resource_tags (tag_id);
