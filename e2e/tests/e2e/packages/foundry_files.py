"""palantir-oauth-client, with its file in the home folder: write < JSON; read HOST, which refreshes; options SECTION,
which reads as it does, and sends nothing."""

import configparser
import json
import os
import sys

from palantir_oauth_client.cache import READ_WRITE
from palantir_oauth_client.credentials import Credentials

command, *rest = sys.argv[1:]
if command == "write":
    for entry in json.load(sys.stdin):
        READ_WRITE.save(Credentials(token=None, **entry))
elif command == "read":
    found = READ_WRITE.load(rest[0])
    keys = ("token", "refresh_token", "token_uri", "client_id", "client_secret", "scopes")
    print(json.dumps(found and {key: getattr(found, key) for key in keys}))
else:
    config = configparser.ConfigParser()
    config.read(os.path.expanduser("~/.foundry/oauth"))
    print(json.dumps(dict(config[rest[0]])))
