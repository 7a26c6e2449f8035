"""Asks huggingface_hub for what a job names and prints what came of it as one line of JSON."""

import hashlib
import json
import os
import sys

import huggingface_hub as hub
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.file_download import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache


def sums(folder):
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each != ".cache"]
        for each in files:
            path = os.path.join(place, each)
            with open(path, "rb") as file:
                name = os.path.relpath(path, folder).replace(os.sep, "/")
                found[name] = hashlib.sha256(file.read()).hexdigest()
    return found


def failure(action):
    try:
        action()
        return None
    except Exception as error:
        return type(error).__name__


def explore(job):
    """What is asked without a download, and what is refused."""
    api, repo = HfApi(), job["repo"]
    info = api.model_info(repo, files_metadata=True)
    tree = list(api.list_repo_tree(repo, recursive=True))
    paths = api.get_paths_info(repo, ["config.json", "sub dir", "none"], expand=True)
    return {
        "id": info.id,
        "sha": info.sha,
        "task": info.pipeline_tag,
        "modified": info.last_modified.isoformat(),
        "sizes": {each.rfilename: each.size for each in info.siblings},
        "lfs": {each.rfilename: each.lfs.sha256 for each in info.siblings if each.lfs},
        "listed": api.list_repo_files(repo),
        "tree": {each.path: getattr(each, "size", None) for each in tree},
        "paths": {each.path: each.last_commit.oid for each in paths},
        "refs": {each.name: each.target_commit for each in api.list_repo_refs(repo).branches},
        "models": [each.id for each in api.list_models(search="TIN")],
        "exists": [
            api.repo_exists(repo),
            api.repo_exists("example/none"),
            api.revision_exists(repo, "release/v1"),
            api.revision_exists(repo, "none"),
            api.file_exists(repo, "empty.txt"),
            api.file_exists(repo, "none"),
        ],
        "failures": {
            "repository": failure(lambda: api.model_info("example/none")),
            "bare": failure(lambda: api.model_info("tiny")),
            "dataset": failure(lambda: api.dataset_info(repo)),
            "revision": failure(lambda: api.model_info(repo, revision="none")),
            "snapshot": failure(lambda: snapshot_download(repo, revision="none")),
            "entry": failure(lambda: hf_hub_download(repo, "none.json")),
            "file": failure(lambda: hf_hub_download("example/none", "none.json")),
            "whoami": failure(api.whoami),
        },
        "noExist": type(try_to_load_from_cache(repo, "none.json", revision=job["commit"])).__name__,
    }


def download(job):
    """Each file by itself."""
    found = {}
    for path in job["files"]:
        place = hf_hub_download(job["repo"], path, revision=job.get("revision"))
        with open(place, "rb") as file:
            found[path] = hashlib.sha256(file.read()).hexdigest()
    return {"files": found}


def snapshot(job):
    options = {key: job[key] for key in ("revision", "local_dir", "allow_patterns") if key in job}
    place = snapshot_download(job["repo"], **options)
    return {"commit": os.path.basename(place), "files": sums(place)}


def persist(job):
    """One file over a line that breaks: asks again until it is there."""
    tries = 0
    while True:
        tries += 1
        try:
            place = hf_hub_download(job["repo"], job["file"])
            break
        except Exception:
            if tries == 20:
                raise
    with open(place, "rb") as file:
        return {"tries": tries, "sum": hashlib.sha256(file.read()).hexdigest()}


def head(job):
    metadata = get_hf_file_metadata(hf_hub_url(job["repo"], job["file"]))
    return {"size": metadata.size, "etag": metadata.etag, "commit": metadata.commit_hash}


def scan(_):
    """What the client's own inventory of its cache says."""
    report = hub.scan_cache_dir()
    repos = [
        {"id": each.repo_id, "files": sum(len(r.files) for r in each.revisions), "refs": sorted(each.refs)}
        for each in report.repos
    ]
    return {"repos": repos, "warnings": [str(each) for each in report.warnings]}


job = json.loads(sys.argv[1])
result = {
    "explore": explore,
    "download": download,
    "snapshot": snapshot,
    "persist": persist,
    "head": head,
    "scan": scan,
}[job["do"]](job)
print(json.dumps({"version": hub.__version__, **result}))
