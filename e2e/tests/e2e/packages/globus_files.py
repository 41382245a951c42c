"""The Globus SDK: json|sqlite|old|old-sqlite FILE < JSON writes {namespace: {resource server: data}}; read FILE NAMESPACE
reads JSON 2.0."""

import json
import sys
import types

from globus_sdk.token_storage import JSONTokenStorage, SQLiteTokenStorage, TokenStorageData
from globus_sdk.token_storage.legacy import SimpleJSONFileAdapter, SQLiteAdapter

STORAGES = {"json": JSONTokenStorage, "sqlite": SQLiteTokenStorage}

command, path, *rest = sys.argv[1:]
if command == "read":
    storage = JSONTokenStorage(path, namespace=rest[0])
    read = storage.get_token_data_by_resource_server()
    print(json.dumps({server: data.to_dict() for server, data in read.items()}))
    sys.exit()
for namespace, servers in json.load(sys.stdin).items():
    if command in STORAGES:
        storage = STORAGES[command](path, namespace=namespace)
        storage.store_token_data_by_resource_server(
            {server: TokenStorageData.from_dict(data) for server, data in servers.items()}
        )
        continue
    # Older versions kept a token response by resource server.
    response = types.SimpleNamespace(by_resource_server=servers)
    if command == "old":
        SimpleJSONFileAdapter(path).store(response)
    else:
        SQLiteAdapter(path, namespace=namespace).store(response)
