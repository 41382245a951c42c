"""pancloud: write FILE < JSON, or read FILE PROFILE..., by its own TinyDBStore."""

import json
import sys

from pancloud.adapters.tinydb_adapter import TinyDBStore
from pancloud.credentials import ReadOnlyCredentials

FIELDS = ("access_token", "client_id", "client_secret", "refresh_token")

command, path, *profiles = sys.argv[1:]
store = TinyDBStore(storage_params={"dbfile": path})
if command == "write":
    for entry in json.load(sys.stdin):
        values = [entry.get(field) for field in FIELDS]
        store.write_credentials(
            credentials=ReadOnlyCredentials(*values), profile=entry["profile"], cache_token=True
        )
else:
    read = {
        profile: {field: store.fetch_credential(credential=field, profile=profile) for field in FIELDS}
        for profile in profiles
    }
    print(json.dumps(read))
