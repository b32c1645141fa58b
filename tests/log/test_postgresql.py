"""A log in PostgreSQL: what it asks of the server, which rights it needs, and what it says when it has not got them."""

import asyncio
import os
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from support.keepers import PostgresKeeper
from support.letters import make_letter
from support.log_rooms import SLUG, Place
from support.postgres import Cluster
from undersigned.config.hosting import make_folder, open_storage
from undersigned.errors import Malformed, Unavailable
from undersigned.log.storage import postgres
from undersigned.log.storage.postgres import PostgresStorage
from undersigned.log.storage.sqlite import SqliteStorage

pytestmark = pytest.mark.needs("pg_ctl")
PAGE = Path(__file__).parents[2] / "docs" / "operating" / "postgresql.md"
SCHEMA = Path(postgres.__file__).with_name("schema.sql")


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_that_may_lose_what_it_calls_kept_is_refused(cluster: Cluster, tmp_path, name):
    cluster.stop()
    cluster.start(**{name: "off"})
    try:
        with pytest.raises(Unavailable, match=f"{name} off"):
            PostgresStorage(cluster.url, directory=tmp_path)
    finally:
        cluster.stop()
        cluster.start()


def test_a_server_that_is_set_to_lose_things_while_it_was_away_is_refused_when_it_is_back(cluster: Cluster, tmp_path):
    storage = PostgresStorage(cluster.url, directory=tmp_path)
    cluster.stop()
    cluster.start(fsync="off")
    try:
        with pytest.raises(Unavailable, match="fsync off"):
            storage.write([])
    finally:
        storage.close()
        cluster.stop()
        cluster.start()


def test_no_password_is_shown_when_the_database_cannot_be_reached(tmp_path):
    address = "postgresql://somebody:sesame@/nowhere?host=/nonexistent"
    with pytest.raises(Unavailable, match="did not answer") as caught:
        PostgresStorage(address, directory=tmp_path)
    assert "sesame" not in str(caught.value)
    assert caught.value.__suppress_context__
    with pytest.raises(Malformed, match="must look like postgresql://"):
        PostgresStorage("postgresql://somebody:sesame@[/nowhere", directory=tmp_path)


def test_a_transaction_that_is_always_in_somebodys_way_is_given_up(cluster: Cluster, tmp_path, monkeypatch):
    tried = []

    def conflict(*_):
        tried.append(1)
        raise errors.SerializationFailure

    storage = PostgresStorage(cluster.url, directory=tmp_path)
    monkeypatch.setattr(storage, "_transact", conflict)
    with pytest.raises(Unavailable, match="SerializationFailure"):
        storage.write([])
    assert len(tried) == postgres.AT_MOST_TRIES
    storage.close()


def test_a_connection_that_was_lost_between_two_transactions_is_replaced_and_nobody_notices(cluster: Cluster, tmp_path):
    storage = PostgresStorage(cluster.url, directory=tmp_path)
    before = storage.letters()
    cluster.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'undersigned log'")
    storage.write([])
    assert storage.letters() == before
    storage.close()


def test_the_database_is_chosen_by_its_url(cluster: Cluster, tmp_path, monkeypatch):
    folder = make_folder(tmp_path, base_url="https://letters.example.org", registrar_name="X", policy="quorum none\n")
    for url, kind in ((cluster.url, PostgresStorage), ("", SqliteStorage)):
        monkeypatch.setitem(os.environ, "UNDERSIGNED_DATABASE_URL", url)
        storage = open_storage(folder)
        assert type(storage) is kind
        storage.close()
    monkeypatch.setitem(os.environ, "UNDERSIGNED_DATABASE_URL", "mysql://somewhere")
    with pytest.raises(Malformed, match="must be like postgresql://"):
        open_storage(folder)


def test_the_roles_in_the_documentation_are_enough_and_cannot_change_an_entry(cluster: Cluster, tmp_path):
    roles = PAGE.read_text().split("\n## Roles\n")[1].split("\n## ")[0]
    statements = [line.strip() for line in roles.splitlines() if line.startswith("    ")]
    for statement in statements[:3]:
        cluster.execute(statement)
    owned = cluster.url.replace("/postgres?", "/undersigned_log?")
    with psycopg.connect(owned) as connection:
        connection.execute("SET ROLE undersigned_owner")
        connection.execute(SCHEMA.read_bytes())
        for statement in statements[3:]:
            connection.execute(statement)
    keeper = PostgresKeeper(cluster)
    keeper.url = owned.replace("tests@", "undersigned_log@")
    try:
        asyncio.run(_play(Place(tmp_path, make_letter(tiers=(1,), hold=100, deadline=1_900_000_000), keeper=keeper)))
        with psycopg.connect(keeper.url, autocommit=True) as connection:
            for query in (
                "UPDATE entries SET data = ''",
                "DELETE FROM entries",
                "TRUNCATE entries",
                "DROP TABLE lists",
            ):
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(query)
    finally:
        for statement in ("DATABASE undersigned_log WITH (FORCE)", "ROLE undersigned_log", "ROLE undersigned_owner"):
            cluster.execute(f"DROP {statement}")


async def _play(place: Place) -> None:
    await place.publish()
    person = await place.sign("sealed", tier=1)
    await place.step(24 * 3600)
    await place.submit(place.cast.withdrawal(person))
    await place.step(24 * 3600)
    await place.restart()
    await place.step(60)
    assert place.kinds()[-1] == "withdrawal"
    assert place.room.storage.blob_at(place.room.log(SLUG).number, place.state.size - 2) is None
    await place.room.close()
