"""Which action a request asks for: its method and the sub-resources in its query decide."""

from __future__ import annotations

from localcloud.oss.errors import OssError
from localcloud.oss.request import OssRequest

# (method, sub-resources that must be in the query) in the order in which they are tried.
_SERVICE = {("GET", ()): "ListBuckets"}
_BUCKET = {
    ("GET", ("bucketInfo",)): "GetBucketInfo",
    ("GET", ("location",)): "GetBucketLocation",
    ("GET", ("acl",)): "GetBucketAcl",
    ("PUT", ("acl",)): "PutBucketAcl",
    ("GET", ("stat",)): "GetBucketStat",
    ("GET", ("uploads",)): "ListMultipartUploads",
    ("GET", ("live",)): "ListLiveChannel",
    ("POST", ("delete",)): "DeleteMultipleObjects",
    ("GET", ("list-type",)): "ListObjectsV2",
    ("GET", ()): "ListObjects",
    ("PUT", ()): "PutBucket",
    ("DELETE", ()): "DeleteBucket",
}
_OBJECT = {
    ("GET", ("acl",)): "GetObjectAcl",
    ("PUT", ("acl",)): "PutObjectAcl",
    ("GET", ("tagging",)): "GetObjectTagging",
    ("PUT", ("tagging",)): "PutObjectTagging",
    ("DELETE", ("tagging",)): "DeleteObjectTagging",
    ("GET", ("symlink",)): "GetSymlink",
    ("PUT", ("symlink",)): "PutSymlink",
    ("POST", ("restore",)): "RestoreObject",
    ("PUT", ("live", "status")): "PutLiveChannelStatus",
    ("PUT", ("live",)): "PutLiveChannel",
    ("GET", ("live",)): "GetLiveChannelInfo",
    ("DELETE", ("live",)): "DeleteLiveChannel",
    ("POST", ("append", "position")): "AppendObject",
    ("POST", ("uploads",)): "InitiateMultipartUpload",
    ("PUT", ("uploadId", "partNumber")): "UploadPart",
    ("POST", ("uploadId",)): "CompleteMultipartUpload",
    ("DELETE", ("uploadId",)): "AbortMultipartUpload",
    ("GET", ("uploadId",)): "ListParts",
    ("HEAD", ("objectMeta",)): "GetObjectMeta",
    ("GET", ("objectMeta",)): "GetObjectMeta",
    ("GET", ()): "GetObject",
    ("HEAD", ()): "HeadObject",
    ("PUT", ()): "PutObject",
    ("DELETE", ()): "DeleteObject",
}
_KNOWN = frozenset(name for table in (_BUCKET, _OBJECT) for _, names in table for name in names)

# Sub-resources of the real service that this one does not have. Without the list, PUT ?lifecycle would make a bucket.
_ABSENT_NAMES = """
    accessPoint accessPointPolicy accessmonitor asyncFetch bucketArchiveDirectRead cname comp cors
    describeRegions encryption group httpsConfig inventory inventoryId lifecycle logging metaQuery notification
    objectInfo policy policyStatus publicAccessBlock qos qosInfo qosRequester redundancyTransition referer regions
    replication replicationLocation replicationProgress requestPayment requesterQosInfo resourceGroup resourcePool
    resourcePoolBuckets resourcePoolInfo select style styleName transferAcceleration
    userDefinedLogFieldsConfig versionId versioning versions vod website worm wormExtend wormId
    x-oss-async-process x-oss-process x-oss-write-get-object-response
"""
_NOT_IMPLEMENTED = frozenset(_ABSENT_NAMES.split())


def action_of(request: OssRequest) -> str:
    """The name of the action in the API reference; raises ``NotImplemented`` and ``MethodNotAllowed``."""
    foreign = next((name for name in request.query if name in _NOT_IMPLEMENTED), None)
    if foreign is not None:
        raise OssError(
            "NotImplemented", "A parameter you provided implies functionality that is not implemented.", Header=foreign
        )
    table = _OBJECT if request.key else _BUCKET if request.bucket else _SERVICE
    for (method, names), action in table.items():
        if method == request.method and all(name in request.query for name in names):
            if not names and any(name in _KNOWN for name in request.query):
                break
            return _copying(request, action)
    if any(name in _KNOWN for name in request.query):
        message = "A parameter you provided implies functionality that is not implemented."
        raise OssError("NotImplemented", message, Method=request.method)
    raise OssError(
        "MethodNotAllowed", "The specified method is not allowed against this resource.", Method=request.method
    )


def _copying(request: OssRequest, action: str) -> str:
    if "x-oss-copy-source" in request.headers:
        return {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}.get(action, action)
    return action
