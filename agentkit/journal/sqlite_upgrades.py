"""The tables of a journal file, as numbered steps: a new file takes all of them, an older one those it lacks.

A step is never changed once released: files of its format exist. What a step adds has a default, so that a process of
an earlier version, which has the file open meanwhile, goes on writing.
"""

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """create table session (
            n integer primary key, id text not null unique, uid text not null default '',
            agent text not null default '', status text not null default 'idle', epoch integer not null default 0,
            last_seq integer not null default 0, owner text, lease_until integer, parent text, fork_seq integer,
            created_at integer not null, expires_at integer, data_key_id text)""",
        # All others name a session by its `n`: ids of 36 characters, twice in each of six rows per step, are a tenth of
        # a conversation. With a rowid, as a clustered key would keep half a page and less of a body beside its
        # neighbours.
        """create table event (
            session integer not null, seq integer not null, type text not null, turn integer not null, step integer,
            epoch integer not null, body blob not null, usage blob, at integer not null, primary key (session, seq))""",
        """create table inbox (
            n integer primary key, session integer not null, kind text not null, dedup text not null,
            body blob not null, by text, at integer not null, taken_seq integer, unique (session, kind, dedup))""",
        "create index inbox_untaken on inbox (session) where taken_seq is null",
        "create table blob (hash text not null, session integer, data blob not null)",  # no session: shared by all
        "create unique index blob_name on blob (hash, ifnull(session, 0))",
        """create table question (
            id text not null, session integer not null, key text not null, number integer not null, kind text not null,
            body blob not null, asked_at integer not null, expires_at integer, primary key (session, id))""",
    ),
    (
        "alter table session add column lease_ms integer",  # how long the lease was given for
        "alter table session add column tries integer not null default 0",
        "alter table session add column trouble text",
        "alter table session add column erased_at integer",
        "alter table question add column escalates_at integer",
        "create index session_open on session (lease_until) where status = 'open' and epoch > 0",
        "create index session_parent on session (parent) where parent is not null",
        "create index question_expires on question (expires_at) where expires_at is not null",
        "create index question_escalates on question (escalates_at) where escalates_at is not null",
    ),
)
VERSION = len(STEPS)
