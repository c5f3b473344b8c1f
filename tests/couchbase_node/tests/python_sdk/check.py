"""The official Python SDK against the node, operation by operation; each line says what came of one.

Arguments: the node's connection string, and its control port.
"""

import sys
from datetime import timedelta
from json import dumps
from urllib.request import Request, urlopen

import couchbase.subdocument as part
from couchbase.auth import PasswordAuthenticator
from couchbase.cluster import Cluster
from couchbase.durability import Durability, ServerDurability
from couchbase.exceptions import CouchbaseException
from couchbase.management.buckets import CreateBucketSettings
from couchbase.options import (
    ClusterOptions,
    GetOptions,
    IncrementOptions,
    InsertOptions,
    MutateInOptions,
    RemoveOptions,
    ReplaceOptions,
    SignedInt64,
    DeltaValue,
    UpsertOptions,
)

CONNECTION, CONTROL = sys.argv[1], f"http://127.0.0.1:{sys.argv[2]}"
MAJORITY = ServerDurability(Durability.MAJORITY)
MINUTE = timedelta(minutes=1)


def control(path, body=None):
    """Tells the node something that no client could."""
    data = dumps(body).encode() if body is not None else b""
    request = Request(CONTROL + path, data, {"Content-Type": "application/json"})
    with urlopen(request) as response:
        return response.read()


def fault(effect, **match):
    control("/faults", {"effect": effect, **match})


def say(what, action, value=lambda result: "done"):
    """Writes what an action came to: its value, or the name of its exception."""
    try:
        print(f"{what}: {value(action())}", flush=True)
    except CouchbaseException as error:
        print(f"{what}: {type(error).__name__}", flush=True)


def content(result):
    return dumps(result.value)


cluster = Cluster(CONNECTION, ClusterOptions(PasswordAuthenticator("Administrator", "password")))
bucket = cluster.bucket("croupier")
documents = bucket.default_collection()

say("get what is not there", lambda: documents.get("k"))
say("exists what is not there", lambda: documents.exists("k"), lambda result: result.exists)
say("insert", lambda: documents.insert("k", {"a": 1}, InsertOptions(durability=MAJORITY)))
say("insert again", lambda: documents.insert("k", {}))
cas = documents.get("k").cas
say("get", lambda: documents.get("k"), content)
say("replace", lambda: documents.replace("k", {"a": 2}, ReplaceOptions(cas=cas, durability=MAJORITY)))
say("replace with an old cas", lambda: documents.replace("k", {"a": 3}, ReplaceOptions(cas=cas)))
say("remove with an old cas", lambda: documents.remove("k", RemoveOptions(cas=cas)))
say("exists", lambda: documents.exists("k"), lambda result: result.exists)
say("upsert", lambda: documents.upsert("k", {"a": {"b": [1, 2]}}, UpsertOptions(durability=MAJORITY)))

say("look up", lambda: documents.lookup_in("k", [part.get("a.b[-1]"), part.exists("a.c"), part.count("a.b")]),
    lambda result: [result.content_as[int](0), result.exists(1), result.content_as[int](2)])
specs = [part.upsert("a.c", 3), part.array_append("a.b", 4, 5), part.increment("n", 7)]
say("mutate", lambda: documents.mutate_in("k", specs, MutateInOptions(durability=MAJORITY)))
say("get what was mutated", lambda: documents.get("k"), content)
say("mutate what is not there", lambda: documents.mutate_in("k", [part.replace("z", 1)]))
say("get a part", lambda: documents.get("k", GetOptions(project=["a.c"])), content)

counted = IncrementOptions(initial=SignedInt64(40), delta=DeltaValue(2))
say("count what is not there", lambda: documents.binary().increment("n", counted), lambda result: result.content)
say("count", lambda: documents.binary().increment("n", counted), lambda result: result.content)

documents.upsert("session", 1, UpsertOptions(expiry=MINUTE))
say("touch", lambda: documents.get_and_touch("session", 2 * MINUTE), content)
control("/clock/90")
say("get before it expires", lambda: documents.get("session"), content)
control("/clock/30")
say("get after it has expired", lambda: documents.get("session"))

locked = documents.get_and_lock("k", timedelta(seconds=20))
say("unlock", lambda: documents.unlock("k", locked.cas))
say("remove", lambda: documents.remove("k"))

manager = bucket.collections()
say("create a scope", lambda: manager.create_scope("casino"))
say("create it again", lambda: manager.create_scope("casino"))
say("create a collection", lambda: manager.create_collection("casino", "players"))
say("create it again", lambda: manager.create_collection("casino", "players"))
players = bucket.scope("casino").collection("players")
say("insert there", lambda: players.insert("k", 1))
say("get here", lambda: documents.get("k"))
say("scopes", manager.get_all_scopes, lambda scopes: sorted(scope.name for scope in scopes))
say("drop the collection", lambda: manager.drop_collection("casino", "players"))

settings = CreateBucketSettings(name="tracking", ram_quota_mb=128, num_replicas=1)
say("create a bucket", lambda: cluster.buckets().create_bucket(settings))
say("read its durability", lambda: cluster.buckets().get_bucket("tracking"),
    lambda bucket: bucket.minimum_durability_level.name)

say("insert before faults", lambda: documents.insert("k", 0))
fault({"answer": {"status": "ETMPFAIL", "applied": False}})
say("replace after a temporary failure", lambda: documents.replace("k", 1))
fault({"answer": {"status": "NOT_MY_VBUCKET", "applied": False}})
say("replace after not my vbucket", lambda: documents.replace("k", 2))
fault({"answer": {"status": "SYNC_WRITE_AMBIGUOUS", "applied": True}}, operations=["replace"])
say("replace ambiguously", lambda: documents.replace("k", 3, ReplaceOptions(durability=MAJORITY)))
say("it happened", lambda: documents.get("k"), content)
fault({"drop": {"applied": True}}, operations=["replace"], key={"exact": "k"})
say("replace on a connection that breaks", lambda: documents.replace("k", 4))
say("it happened", lambda: documents.get("k"), content)
control("/stop")
control("/restart")
say("get after a restart", lambda: documents.get("k"), content)
say("a wrong password",
    lambda: Cluster(CONNECTION, ClusterOptions(PasswordAuthenticator("Administrator", "wrong"))))
cluster.close()
