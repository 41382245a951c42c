"""Starts SecantusDB, which speaks MongoDB's protocol, for tests.

Its own command can't sweep expired documents every few seconds, nor make fail points and a user in one go.
"""

import argparse
import signal
import sys

from pymongo import MongoClient
from secantus import transactions
from secantus.server import SecantusDBServer

# It keeps the answers to the last 10,000 writes, for a driver that sends one again, and past those sorts them all at
# each write, while every other waits. A driver asks again within seconds: so many are enough.
transactions._RETRYABLE_RECORD_MAX = 500

# Each sweep reads every document of every collection, and nobody is answered meanwhile.
SWEEP_SECONDS = 5


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--standalone", action="store_true")
    parser.add_argument("--user", help="NAME:PASSWORD, made if missing; without, nobody logs in")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    return parser.parse_args()


def server(given, port, **more):
    return SecantusDBServer(
        host="127.0.0.1",
        port=port,
        storage_path=given.folder,
        replica_set_name=None if given.standalone else "secantus",
        ttl_sweep_seconds=SWEEP_SECONDS,
        sync_on_commit=False,
        max_connections=1000,
        **more,
    )


def make_user(given):
    name, _, password = given.user.partition(":")
    open_to_all = server(given, 0)
    open_to_all.start()
    with MongoClient("127.0.0.1", open_to_all.port, directConnection=True) as client:
        if not client.admin.command("usersInfo", name)["users"]:
            client.admin.command(
                "createUser",
                name,
                pwd=password,
                roles=["root"],
                mechanisms=["SCRAM-SHA-256"],
            )
    open_to_all.stop()


def main():
    given = arguments()
    if given.user:
        make_user(given)
    running = server(
        given,
        given.port,
        require_auth=bool(given.user),
        tls_cert_file=given.certificate,
        tls_key_file=given.key,
    )

    def stop(_signal, _frame):
        running.stop()
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    running.start()
    running.wait()


main()
