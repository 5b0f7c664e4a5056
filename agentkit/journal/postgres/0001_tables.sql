-- The tables of a SQLite journal, format 2, in a schema of their own.
-- A session is named by its number everywhere else. Numbers grow with time: a range of them is a stretch of time, and
-- as the primary keys of `event` and `blob` begin with it, both can be partitioned by it (docs/postgres.md).

-- The journal's clock, in milliseconds as in a file.
create function agentkit.now() returns timestamptz language sql volatile
    as $$ select date_trunc('milliseconds', clock_timestamp()) $$;

create table agentkit.session (
    n bigint generated always as identity primary key,
    id text not null unique,
    uid text not null default '',
    agent text not null default '',
    status text not null default 'idle',
    epoch integer not null default 0,
    last_seq integer not null default 0,
    tries integer not null default 0,
    trouble text,
    owner text,
    claim uuid,                 -- which claim holds the lease: tells a claim whose commit got lost that it succeeded
    lease_until timestamptz,
    lease_ms bigint,            -- how long it was given for
    parent text,
    fork_seq integer,
    created_at timestamptz not null,
    expires_at timestamptz,
    erased_at timestamptz,
    data_key_id text
) with (fillfactor = 70);

-- Every append updates epoch, last_seq and lease in place (HOT): that needs room in the page, and no index on them.
-- `status` changes twice in a turn only.
create index session_open on agentkit.session (n) where status = 'open';
create index session_parent on agentkit.session (parent) where parent is not null;

create table agentkit.event (
    session bigint not null,    -- wide columns first: no bytes are lost between them
    at timestamptz not null,
    seq integer not null,
    epoch integer not null,
    turn integer not null,
    step integer,
    type text not null,
    body bytea not null,
    usage bytea,
    primary key (session, seq)
);

create table agentkit.inbox (
    n bigint generated always as identity primary key,
    session bigint not null,
    at timestamptz not null,
    taken_seq integer,
    kind text not null,
    dedup text not null,
    body bytea not null,
    by text,
    unique (session, kind, dedup)
);

create index inbox_untaken on agentkit.inbox (session) where taken_seq is null;

create table agentkit.blob (
    session bigint not null,    -- 0: shared by all
    hash text not null,
    data bytea not null,
    primary key (session, hash)
);

create table agentkit.question (
    n bigint generated always as identity unique,
    session bigint not null,
    id text not null,
    key text not null,
    number integer not null,
    kind text not null,
    body bytea not null,
    asked_at timestamptz not null,
    expires_at timestamptz,
    escalates_at timestamptz,
    primary key (session, id)
);

create index question_expires on agentkit.question (expires_at) where expires_at is not null;
create index question_escalates on agentkit.question (escalates_at) where escalates_at is not null;

-- Whether a lease has not run out. One that ends later than it ever could was given before the clock was set back:
-- nobody waits for such an end.
create function agentkit.lasts(lease_until timestamptz, lease_ms bigint) returns boolean language sql volatile as $$
    select coalesce(
        lease_until > clock_timestamp()
        and (lease_ms is null or lease_until <= clock_timestamp() + 2 * lease_ms * interval '1 millisecond'), false)
$$;

-- One statement can only refuse itself by failing.
create function agentkit.refused(why text) returns boolean language plpgsql as $$
begin
    raise exception using errcode = 'AK001', message = why;
end
$$;
