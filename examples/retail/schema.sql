-- The shop's books. Money is whole cents, so that nothing is ever lost to rounding; STRICT keeps it so.
CREATE TABLE IF NOT EXISTS users (
    user_id    TEXT PRIMARY KEY,
    first_name TEXT NOT NULL COLLATE NOCASE,
    last_name  TEXT NOT NULL COLLATE NOCASE,
    email      TEXT NOT NULL UNIQUE COLLATE NOCASE,
    address1   TEXT NOT NULL,
    address2   TEXT NOT NULL,
    city       TEXT NOT NULL,
    country    TEXT NOT NULL,
    state      TEXT NOT NULL,
    zip        TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS payment_methods (
    payment_method_id TEXT PRIMARY KEY,
    user_id           TEXT NOT NULL REFERENCES users,
    source            TEXT NOT NULL CHECK (source IN ('credit_card', 'gift_card', 'paypal')),
    brand             TEXT,
    last_four         TEXT,
    balance_cents     INTEGER CHECK (balance_cents >= 0),
    CHECK ((source = 'gift_card') = (balance_cents IS NOT NULL))
) STRICT;
CREATE INDEX IF NOT EXISTS payment_methods_of_user ON payment_methods (user_id);

CREATE TABLE IF NOT EXISTS products (
    product_id TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE IF NOT EXISTS variants (
    item_id     TEXT PRIMARY KEY,
    product_id  TEXT NOT NULL REFERENCES products,
    options     TEXT NOT NULL CHECK (json_valid(options)),
    available   INTEGER NOT NULL CHECK (available IN (0, 1)),
    price_cents INTEGER NOT NULL CHECK (price_cents > 0)
) STRICT;
CREATE INDEX IF NOT EXISTS variants_of_product ON variants (product_id);

CREATE TABLE IF NOT EXISTS orders (
    placed                          INTEGER PRIMARY KEY,  -- the order in which orders came in
    order_id                        TEXT NOT NULL UNIQUE,
    user_id                         TEXT NOT NULL REFERENCES users,
    address1                        TEXT NOT NULL,
    address2                        TEXT NOT NULL,
    city                            TEXT NOT NULL,
    country                         TEXT NOT NULL,
    state                           TEXT NOT NULL,
    zip                             TEXT NOT NULL,
    status                          TEXT NOT NULL CHECK (status IN (
        'pending', 'pending (item modified)', 'processed', 'delivered',
        'cancelled', 'return requested', 'exchange requested')),
    fulfillments                    TEXT NOT NULL CHECK (json_valid(fulfillments)),
    cancel_reason                   TEXT,
    return_items                    TEXT CHECK (return_items IS NULL OR json_valid(return_items)),
    return_payment_method_id        TEXT REFERENCES payment_methods,
    exchange_items                  TEXT CHECK (exchange_items IS NULL OR json_valid(exchange_items)),
    exchange_new_items              TEXT CHECK (exchange_new_items IS NULL OR json_valid(exchange_new_items)),
    exchange_payment_method_id      TEXT REFERENCES payment_methods,
    exchange_price_difference_cents INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS orders_of_user ON orders (user_id);

CREATE TABLE IF NOT EXISTS order_items (
    order_id    TEXT NOT NULL REFERENCES orders (order_id),
    position    INTEGER NOT NULL,
    item_id     TEXT NOT NULL REFERENCES variants,
    price_cents INTEGER NOT NULL CHECK (price_cents > 0),  -- as sold: the catalogue may change later
    options     TEXT NOT NULL CHECK (json_valid(options)),
    PRIMARY KEY (order_id, position)
) STRICT;

CREATE TABLE IF NOT EXISTS payment_history (
    entry             INTEGER PRIMARY KEY,
    order_id          TEXT NOT NULL REFERENCES orders (order_id),
    transaction_type  TEXT NOT NULL CHECK (transaction_type IN ('payment', 'refund')),
    amount_cents      INTEGER NOT NULL CHECK (amount_cents > 0),
    payment_method_id TEXT NOT NULL REFERENCES payment_methods
) STRICT;
CREATE INDEX IF NOT EXISTS payment_history_of_order ON payment_history (order_id);

-- The last fence against paying back twice: whatever the code above does, an order never refunds more than it was paid.
CREATE TRIGGER IF NOT EXISTS refunds_within_payments BEFORE INSERT ON payment_history
WHEN NEW.transaction_type = 'refund' AND NEW.amount_cents > (
    SELECT COALESCE(SUM(CASE transaction_type WHEN 'payment' THEN amount_cents ELSE -amount_cents END), 0)
    FROM payment_history WHERE order_id = NEW.order_id)
BEGIN
    SELECT RAISE(ABORT, 'this refund would exceed what the order was paid');
END;

CREATE TABLE IF NOT EXISTS transfers (
    transfer INTEGER PRIMARY KEY,
    summary  TEXT NOT NULL
) STRICT;

-- One row per change, written in the transaction that makes the change: the row is there exactly if the change is.
CREATE TABLE IF NOT EXISTS change_log (
    idempotency_key TEXT PRIMARY KEY,
    tool            TEXT NOT NULL,
    arguments       TEXT NOT NULL CHECK (json_valid(arguments)),
    result          TEXT NOT NULL CHECK (json_valid(result)),
    at              TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
