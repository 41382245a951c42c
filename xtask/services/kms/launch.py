"""Starts moto's AWS KMS for tests, and stands before it.

moto keeps the keys and does the cryptography: ciphertexts are bound to their key and their encryption
context. What it does not do as AWS does is done here, so it is OUR code, written after the KMS API
reference, and tests that rely on it test how we take such answers, not AWS:

- the state of a key: moto encrypts and decrypts with disabled keys and with those that wait for deletion
- a wrong key is IncorrectKeyException and garbage InvalidCiphertextException; moto says AccessDeniedException
- an ARN of another region is NotFoundException
- an unknown access key id is UnrecognizedClientException; a signature is not checked, here or there
- troubles of one key, when told: throttled, refused, slow

It also counts calls by key, operation, outcome and encryption context, and keeps the keys in a file, so
that they are the same after a restart. Tests talk to it at /__test/… in lines of text.
"""

import argparse
import base64
import io
import json
import os
import random
import signal
import sys
import threading
import time
import uuid
from collections import Counter
from urllib.parse import parse_qs

import moto.kms.models as kms_models
from moto.core import DEFAULT_ACCOUNT_ID
from moto.kms.models import kms_backends
from moto.kms.utils import _deserialize_ciphertext_blob
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

ACCESS_KEY_ID = "AKIATOKENKEEPTESTS00"
TARGET = "TrentService."
WITH_KEY = {"Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncrypt"}
CHANGES = {"CancelKeyDeletion", "CreateAlias", "CreateKey", "DeleteAlias", "DisableKey", "EnableKey"}
CHANGES |= {"ScheduleKeyDeletion", "UpdateAlias"}
KEPT = ("id", "arn", "key_state", "enabled", "description", "creation_date")
SERVER_FAULTS = {
    "DependencyTimeoutException": "503 Service Unavailable",
    "KeyUnavailableException": "500 Internal Server Error",
    "KMSInternalException": "500 Internal Server Error",
}

_generate_private_key = kms_models.generate_private_key
# moto makes an RSA key for each symmetric one too, which takes long and is never used.
kms_models.generate_private_key = lambda spec: None if spec == "SYMMETRIC_DEFAULT" else _generate_private_key(spec)


class Refusal(Exception):
    def __init__(self, code, message=""):
        super().__init__(code)
        self.code = code
        self.message = message


class Keys:
    """moto's keys, and their file."""

    def __init__(self, file):
        self.file = file
        self.lock = threading.Lock()

    @staticmethod
    def of_region(region):
        return kms_backends[DEFAULT_ACCOUNT_ID][region]

    def create(self, region):
        return self.of_region(region).create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "", None)

    def find(self, name, region):
        """The key of this id, ARN or alias; None if there is none."""
        if name.startswith("arn:"):
            if name.split(":")[3] != region:
                raise Refusal("NotFoundException", f"Invalid arn {name.split(':')[3]}")
        backend = self.of_region(region)
        raw = backend.any_id_to_key_id(name) if "alias/" not in name or backend.alias_exists(
            backend.get_alias_name(name)
        ) else None
        return backend.keys.get(raw)

    def wrapping(self, blob, region):
        """The key that a ciphertext names."""
        try:
            name = _deserialize_ciphertext_blob(base64.b64decode(blob)).key_id
        except Exception:
            return None
        return self.of_region(region).keys.get(name)

    def save(self):
        with self.lock:
            kept = []
            for region, backend in kms_backends[DEFAULT_ACCOUNT_ID].items():
                for key in list(backend.keys.values()):
                    fields = {name: getattr(key, name) for name in KEPT}
                    material = base64.b64encode(key.key_material).decode()
                    kept.append({"region": region, "fields": fields, "material": material, "aliases": list(key.aliases)})
            new = f"{self.file}.new"
            with open(new, "w", encoding="utf-8") as file:
                json.dump(kept, file)
            os.replace(new, self.file)

    def load(self):
        if not os.path.exists(self.file):
            return
        with open(self.file, encoding="utf-8") as file:
            kept = json.load(file)
        for entry in kept:
            backend = self.of_region(entry["region"])
            key = self.create(entry["region"])
            del backend.keys[key.id]
            for name, value in entry["fields"].items():
                setattr(key, name, value)
            key.key_material = base64.b64decode(entry["material"])
            backend.keys[key.id] = key
            if key.key_state == "PendingDeletion":
                backend.schedule_key_deletion(key.id, 30)
            for alias in entry["aliases"]:
                backend.create_alias(key.id, alias)


class Front:
    """The WSGI application: judges a call, counts it, and hands it on."""

    def __init__(self, keys):
        self.keys = keys
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.calls = Counter()
        self.troubles = {}
        # One for each key, so that what other tests do at the same time changes nothing.
        self.dice = {}
        self.lock = threading.Lock()

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        path = environ.get("PATH_INFO", "")
        if path.startswith("/__test/"):
            return self.control(path.removeprefix("/__test/"), environ, start_response)
        operation = environ.get("HTTP_X_AMZ_TARGET", "").removeprefix(TARGET)
        request = json.loads(body or b"{}")
        arn = ""
        try:
            region = self.region(environ)
            if operation in WITH_KEY:
                arn = self.judge(operation, request, region)
        except Refusal as refusal:
            self.count(request, operation, refusal.code)
            return refuse(refusal, start_response)
        environ["wsgi.input"] = io.BytesIO(body)
        outcome = []

        def start(status, headers, error=None):
            outcome.append(status)
            return start_response(status, headers, error)

        answer = list(self.moto(environ, start))
        code = "ok" if outcome[0].startswith("200") else json.loads(b"".join(answer) or b"{}").get("__type", "error")
        self.count(request, operation, code, arn)
        if operation in CHANGES:
            self.keys.save()
        return answer

    def region(self, environ):
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        if "Credential=" not in authorization:
            raise Refusal("MissingAuthenticationTokenException", "Missing Authentication Token")
        scope = authorization.split("Credential=")[1].split(",")[0].split("/")
        if scope[0] != ACCESS_KEY_ID:
            raise Refusal("UnrecognizedClientException", "The security token included in the request is invalid.")
        return scope[2]

    def judge(self, operation, request, region):
        named = self.keys.find(request["KeyId"], region) if "KeyId" in request else None
        if "KeyId" in request and named is None:
            raise Refusal("NotFoundException", f"Key '{request['KeyId']}' does not exist")
        key = named
        if named is not None:
            self.make_trouble(named.arn, operation)
        if operation in ("Decrypt", "ReEncrypt"):
            key = self.keys.wrapping(request["CiphertextBlob"], region)
            if key is None:
                raise Refusal("InvalidCiphertextException")
            if operation == "Decrypt" and named is not None and named.id != key.id:
                raise Refusal(
                    "IncorrectKeyException",
                    "The key ID in the request does not identify a CMK that can perform this operation.",
                )
        if operation != "DescribeKey":
            check_state(key)
        return key.arn

    def make_trouble(self, arn, operation):
        kind, value = self.troubles.get(arn, ("none", ""))
        if kind == "slow":
            time.sleep(float(value))
        elif kind == "refuse":
            raise Refusal(value, "told to refuse")
        elif kind == "throttle" and operation != "DescribeKey":
            with self.lock:
                is_hit = self.dice.setdefault(arn, random.Random(6)).random() < float(value)
            if is_hit:
                raise Refusal("ThrottlingException", "Rate exceeded")

    def count(self, request, operation, outcome, arn=""):
        context = request.get("EncryptionContext") or {}
        place = json.dumps(context, sort_keys=True, separators=(",", ":"))
        with self.lock:
            self.calls[(arn or request.get("KeyId", ""), operation, outcome, place)] += 1

    def control(self, command, environ, start_response):
        given = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        status = "200 OK"
        try:
            text = getattr(self, f"control_{command}")(**given)
        except Exception as error:
            status, text = "400 Bad Request", f"{type(error).__name__}: {error}"
        body = text.encode()
        start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    def control_calls(self, key):
        with self.lock:
            rows = [row for row in self.calls.items() if row[0][0] == key]
        return "".join("\t".join([*row[1:], str(count)]) + "\n" for row, count in rows)

    def control_all_calls(self):
        with self.lock:
            return str(sum(self.calls.values()))

    def control_key(self, region):
        key = self.keys.create(region)
        self.keys.save()
        return key.arn

    def control_alias(self, key, name):
        self.keys.of_region(key.split(":")[3]).create_alias(key, name)
        self.keys.save()
        return ""

    def control_state(self, key, state):
        found = self.keys.find(key, key.split(":")[3])
        found.key_state = state
        found.enabled = state == "Enabled"
        if state == "PendingDeletion":
            self.keys.of_region(key.split(":")[3]).schedule_key_deletion(found.id, 30)
        self.keys.save()
        return ""

    def control_trouble(self, key, kind, value=""):
        self.troubles[key] = (kind, value)
        return ""


def check_state(key):
    if key.key_state == "Disabled":
        raise Refusal("DisabledException", f"{key.arn} is disabled.")
    if key.key_state == "PendingDeletion":
        raise Refusal("KMSInvalidStateException", f"{key.arn} is pending deletion.")
    if key.key_state != "Enabled":
        words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in key.key_state)
        raise Refusal("KMSInvalidStateException", f"{key.arn} is{words}.")


def refuse(refusal, start_response):
    answer = {"__type": refusal.code}
    if refusal.message:
        answer["message"] = refusal.message
    body = json.dumps(answer).encode()
    headers = [
        ("Content-Type", "application/x-amz-json-1.1"),
        ("Content-Length", str(len(body))),
        ("x-amzn-RequestId", str(uuid.uuid4())),
    ]
    start_response(SERVER_FAULTS.get(refusal.code, "400 Bad Request"), headers)
    return [body]


class Handler(MotoRequestHandler):
    # Unlike KMS it closes each connection: werkzeug throws away what comes after a request.
    disable_nagle_algorithm = True

    def log_request(self, code="-", size="-"):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", required=True)
    given = parser.parse_args()
    os.makedirs(given.folder, exist_ok=True)
    keys = Keys(os.path.join(given.folder, "keys.json"))
    keys.load()
    server = make_server("127.0.0.1", given.port, Front(keys), threaded=True, request_handler=Handler)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    signal.signal(signal.SIGINT, lambda _signal, _frame: sys.exit(0))
    server.serve_forever()


main()
