"""A model hub on loopback: as much of its HTTP API as huggingface_hub's client speaks with it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

LFS = (".safetensors", ".bin", ".pt", ".data-00000-of-00001")
TOKEN, OTHER_TOKEN = "hf_writer", "hf_reader"


def git_oid(blob: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest()


@dataclass
class Repo:
    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        text = json.dumps([len(self.commits), sorted(files), self.refs.get(branch)])
        oid = hashlib.sha1(text.encode() + b"".join(files[n] for n in sorted(files))).hexdigest()
        self.commits[oid], self.refs[branch] = files, oid
        return oid

    def resolved(self, revision: str) -> str | None:
        oid = self.refs.get(revision, revision)
        return oid if oid in self.commits else None


class Hub:
    """Repositories in memory, and what was asked for.

    Attributes:
        asked: (method, path) of every request.
        fail: status that every request gets instead; 0 for none.
        kept, names: contents and names of large files, by SHA-256.
    """

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.kept: dict[str, bytes] = {}
        self.names: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.fail = 0
        # Large files lie on a server of their own, as those of the real hub do.
        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(self)) for _ in range(2)]
        self.url, self.storage = (f"http://127.0.0.1:{one.server_port}" for one in self._servers)
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def add(self, name: str, folder, **facts: bool) -> str:
        """Commit the files of a folder, or a mapping of them, as the whole repository."""
        files = folder
        if not isinstance(folder, dict):
            paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
            files = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
        repo = self.repos.setdefault(name, Repo())
        for key, value in facts.items():
            setattr(repo, key, value)
        return repo.commit(dict(files))

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        repo = self.repos[name]
        return repo.commits[repo.resolved(revision)]

    def fetched(self) -> list[str]:
        """Names of the files whose content was sent."""
        pages = [path for method, path in self.asked if method == "GET"]
        found = [re.fullmatch(r"/[^/]+/[^/]+/resolve/[^/]+/(.*)", path) for path in pages]
        large = [self.names[path[9:]] for path in pages if path.startswith("/storage/")]
        small = [match[1] for match in found if match and not match[1].endswith(LFS)]
        return sorted(small + large)

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        pass

    Handler.hub = hub
    return Handler


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args) -> None:
        """Silent."""

    # What is asked for.

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query)
        path = parts.path
        self.hub.asked.append((self.command, unquote(path)))
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        self.token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if self.hub.fail:
            return self._error(self.hub.fail, "", "out of order")
        if self.token not in ("", TOKEN, OTHER_TOKEN):
            return self._error(401, "", "Invalid credentials in Authorization header")
        for pattern, name in _ROUTES:
            if match := re.fullmatch(pattern, path):
                return getattr(self, name)(*(unquote(word or "") for word in match.groups()))
        return self._error(404, "", f"no such page: {path}")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle

    def _repo(self, name: str, writing: bool = False) -> Repo | None:
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not self.token):
            status = 404 if self.token else 401
            self._error(status, "RepoNotFound" if self.token else "", "Repository not found")
            return None
        if writing and self.token != TOKEN:
            self._error(403, "", "you have no right to write here")
            return None
        return repo

    def _at(self, name: str, revision: str, writing: bool = False) -> tuple[Repo, str] | None:
        repo = self._repo(name, writing)
        if repo is None:
            return None
        oid = repo.resolved(revision or "main")
        if oid is None:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return repo, oid

    def model_info(self, name: str, revision: str = "") -> None:
        if (found := self._at(name, revision)) is None:
            return
        repo, oid = found
        siblings = [
            self._entry(path, blob, "rfilename") for path, blob in repo.commits[oid].items()
        ]
        facts = {"_id": "1", "id": name, "modelId": name, "sha": oid, "private": repo.private}
        self._json({**facts, "gated": repo.gated and "manual", "siblings": siblings, "tags": []})

    def tree(self, name: str, revision: str, folder: str = "") -> None:
        if (found := self._at(name, revision)) is None:
            return
        files = found[0].commits[found[1]].items()
        self._json([{"type": "file", **self._entry(path, blob, "path")} for path, blob in files])

    @staticmethod
    def _entry(path: str, blob: bytes, key: str) -> dict:
        facts = {key: path, "size": len(blob), "oid": git_oid(blob), "blobId": git_oid(blob)}
        if path.endswith(LFS):
            digest = hashlib.sha256(blob).hexdigest()
            large = {"oid": digest, "sha256": digest, "size": len(blob), "pointerSize": 130}
            facts["oid"] = facts["blobId"] = hashlib.sha1(digest.encode()).hexdigest()
            facts["lfs"] = large
        return facts

    def resolve(self, name: str, revision: str, path: str) -> None:
        if (found := self._at(name, revision)) is None:
            return None
        repo, oid = found
        if repo.gated and self.token != TOKEN:
            return self._error(403 if self.token else 401, "GatedRepo", "Access is restricted")
        blob = repo.commits[oid].get(path)
        headers = {"X-Repo-Commit": oid}
        if blob is None:
            return self._error(404, "EntryNotFound", "Entry not found", headers)
        if path.endswith(LFS):
            digest = hashlib.sha256(blob).hexdigest()
            self.hub.kept[digest], self.hub.names[digest] = blob, path
            headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(blob))}
            headers["Location"] = f"{self.hub.storage}/storage/{digest}"
            return self._answer(302, b"", {**headers, "ETag": f'"{git_oid(blob)}"'})
        return self._answer(200, blob, {**headers, "ETag": f'"{git_oid(blob)}"'})

    def storage(self, digest: str) -> None:
        if self.command == "PUT":
            if hashlib.sha256(self.body).hexdigest() != digest:
                return self._error(400, "", "another content than was announced")
            self.hub.kept[digest] = self.body
            return self._answer(200, b"", {})
        blob = self.hub.kept.get(digest)
        if blob is None:
            return self._error(404, "EntryNotFound", "no such object")
        return self._answer(200, blob, {"ETag": f'"{digest}"'})

    # What is written.

    def whoami(self) -> None:
        if not self.token:
            return self._error(401, "", "Invalid username or password.")
        return self._json(
            {"type": "user", "name": "me", "orgs": [], "auth": {"type": "access_token"}}
        )

    def create(self) -> None:
        facts = json.loads(self.body)
        if self.token != TOKEN:
            return self._error(403 if self.token else 401, "", "you have no right to write here")
        owner = facts.get("organization") or "me"
        name = f"{owner}/{facts['name']}"
        if owner not in ("me", "lab"):
            return self._error(
                403, "", f"You don't have the rights to create a model under {owner}"
            )
        private = facts.get("private") or facts.get("visibility") == "private"
        answer = {"url": f"{self.hub.url}/{name}", "name": name, "id": name}
        if name in self.hub.repos:
            return self._json({**answer, "error": "You already created this model repo"}, 409)
        repo = self.hub.repos[name] = Repo(private=bool(private))
        repo.commit({".gitattributes": b"*.safetensors filter=lfs\n"})
        return self._json(answer)

    def validate(self) -> None:
        import yaml

        text = json.loads(self.body)["content"]
        front = yaml.safe_load(text.split("---")[1]) if text.startswith("---") else {}
        errors = []
        if not isinstance(front, dict):
            errors.append({"message": "the front matter is no mapping"})
        self._json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def preupload(self, name: str, revision: str) -> None:
        if (found := self._at(name, revision, writing=True)) is None:
            return
        there = found[0].commits[found[1]]
        rows = []
        for item in json.loads(self.body)["files"]:
            mode = "lfs" if item["path"].endswith(LFS) else "regular"
            row = {"path": item["path"], "uploadMode": mode, "shouldIgnore": False}
            if item["path"] in there:
                entry = self._entry(item["path"], there[item["path"]], "path")
                row["oid"] = entry.get("lfs", {}).get("oid") or entry["oid"]
            rows.append(row)
        self._json({"files": rows})

    def lfs_batch(self, name: str) -> None:
        if self._repo(name, writing=True) is None:
            return
        objects = []
        for item in json.loads(self.body)["objects"]:
            if item["oid"] not in self.hub.kept:
                item["actions"] = {"upload": {"href": f"{self.hub.storage}/storage/{item['oid']}"}}
            objects.append(item)
        self._json({"transfer": "basic", "objects": objects})

    def branch(self, name: str, revision: str) -> None:
        if (found := self._at(name, "main", writing=True)) is None:
            return None
        repo, oid = found
        if revision in repo.refs:
            return self._error(409, "", "Reference already exists")
        repo.refs[revision] = oid
        return self._json({})

    def commit(self, name: str, revision: str) -> None:
        if (found := self._at(name, revision, writing=True)) is None:
            return None
        repo, oid = found
        files = dict(repo.commits[oid])
        for line in self.body.splitlines():
            item = json.loads(line)
            kind, value = item["key"], item["value"]
            if kind == "header" and value.get("parentCommit") not in (None, oid):
                return self._error(
                    412, "", "A commit has happened since. Please refresh and try again."
                )
            if kind == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            if kind == "lfsFile":
                files[value["path"]] = self.hub.kept[value["oid"]]
            if kind == "deletedFile":
                del files[value["path"]]
        new = repo.commit(files, revision)
        self._json({"commitUrl": f"{self.hub.url}/{name}/commit/{new}", "commitOid": new})
        return None

    # What is answered.

    def _json(self, values, status: int = 200) -> None:
        self._answer(status, json.dumps(values).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, code: str, message: str, headers=None) -> None:
        found = {**(headers or {}), "X-Error-Message": message}
        if code:
            found["X-Error-Code"] = code
        self._answer(status, json.dumps({"error": message}).encode(), found)

    def _answer(self, status: int, blob: bytes, headers: dict[str, str]) -> None:
        first = 0
        if status == 200 and (
            wanted := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        ):
            first, status = int(wanted[1]), 206
            headers = {**headers, "Content-Range": f"bytes {first}-{len(blob) - 1}/{len(blob)}"}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(blob) - first))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(blob[first:])


_NAME = r"([^/]+/[^/]+)"
_ROUTES = (
    (r"/api/whoami-v2", "whoami"),
    (r"/api/repos/create", "create"),
    (r"/api/validate-yaml", "validate"),
    (rf"/api/models/{_NAME}", "model_info"),
    (rf"/api/models/{_NAME}/revision/([^/]+)", "model_info"),
    (rf"/api/models/{_NAME}/tree/([^/]+)(?:/(.*))?", "tree"),
    (rf"/api/models/{_NAME}/preupload/([^/]+)", "preupload"),
    (rf"/api/models/{_NAME}/branch/([^/]+)", "branch"),
    (rf"/api/models/{_NAME}/commit/([^/]+)", "commit"),
    (rf"/{_NAME}\.git/info/lfs/objects/batch", "lfs_batch"),
    (rf"/{_NAME}/resolve/([^/]+)/(.*)", "resolve"),
    (r"/storage/([0-9a-f]+)", "storage"),
)
