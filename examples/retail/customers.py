"""What can be changed about a customer, and handing one over to a person."""

import sqlite3
from dataclasses import dataclass
from typing import ClassVar

from examples.retail.reading import user
from examples.retail.records import User


@dataclass(frozen=True)
class ChangeUserAddress:
    """Change a customer's default address; orders already placed keep theirs."""

    tool: ClassVar[str] = "modify_user_address"
    user_id: str
    address1: str
    address2: str
    city: str
    state: str
    country: str
    zip: str

    def apply(self, db: sqlite3.Connection) -> User:
        """See `Change.apply`."""
        user(db, self.user_id)
        db.execute(
            "UPDATE users SET address1 = ?, address2 = ?, city = ?, state = ?, country = ?, zip = ? WHERE user_id = ?",
            (self.address1, self.address2, self.city, self.state, self.country, self.zip, self.user_id),
        )
        return user(db, self.user_id)


@dataclass(frozen=True)
class Transfer:
    """Put the customer in the queue of the people at the shop."""

    tool: ClassVar[str] = "transfer_to_human_agents"
    summary: str

    def apply(self, db: sqlite3.Connection) -> str:
        """See `Change.apply`."""
        db.execute("INSERT INTO transfers (summary) VALUES (?)", (self.summary,))
        return "A colleague was given your summary and takes over. Tell the customer, and do nothing further."
