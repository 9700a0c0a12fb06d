"""The errors that OSS documents: code, HTTP status, message, and the extra fields that an answer names."""

from __future__ import annotations

STATUS = {
    "AccessDenied": 403,
    "BadDigest": 400,
    "BucketAlreadyExists": 409,
    "BucketNotEmpty": 409,
    "CallbackFailed": 203,
    "EntityTooLarge": 400,
    "EntityTooSmall": 400,
    "FileAlreadyExists": 409,
    "IncompleteBody": 400,
    "InternalError": 500,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidBucketName": 400,
    "InvalidDigest": 400,
    "InvalidObjectName": 400,
    "InvalidObjectState": 403,
    "InvalidPart": 400,
    "InvalidPartOrder": 400,
    "InvalidRange": 416,
    "InvalidRequest": 400,
    "InvalidSecurityToken": 403,
    "InvalidTag": 400,
    "InvalidTargetType": 400,
    "MalformedXML": 400,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchLiveChannel": 404,
    "NoSuchUpload": 404,
    "NotImplemented": 501,
    "NotModified": 304,
    "NotSymlink": 400,
    "ObjectNotAppendable": 409,
    "OperationNotSupported": 400,
    "PartNotSequential": 400,
    "PositionNotEqualToLength": 409,
    "PreconditionFailed": 412,
    "QpsLimitExceeded": 429,
    "RequestTimeTooSkewed": 403,
    "RestoreAlreadyInProgress": 409,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "SymlinkTargetNotExist": 404,
}


# The error numbers (EC) that the public documentation ties to a code.
_NUMBERS = {
    "FileAlreadyExists": "0026-00000026",
    "InvalidAccessKeyId": "0002-00000902",
    "NoSuchBucket": "0015-00000101",
    "NoSuchKey": "0026-00000001",
    "NoSuchUpload": "0042-00000002",
    "SignatureDoesNotMatch": "0002-00000040",
}


class OssError(Exception):
    """A refusal in the service's own words; ``details`` are further elements of the error document.

    ``headers`` travel with the answer, for instance the next append position; ``number`` is the EC of the case.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        number: str | None = None,
        headers: dict[str, str] | None = None,
        **details: str | int | None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.number = number or _NUMBERS.get(code)
        self.headers = headers or {}
        self.details = {name: str(value) for name, value in details.items() if value is not None}

    @property
    def status(self) -> int:
        """The HTTP status that belongs to the code."""
        return STATUS[self.code]


def no_such_bucket(bucket: str) -> OssError:
    """The bucket does not exist."""
    return OssError("NoSuchBucket", "The specified bucket does not exist.", BucketName=bucket)


def no_such_key(key: str) -> OssError:
    """The bucket is there, the object is not."""
    return OssError("NoSuchKey", "The specified key does not exist.", Key=key)


def no_such_upload(upload_id: str) -> OssError:
    """The multipart upload was never begun, or is completed or aborted."""
    return OssError(
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, "
        "or the upload may have been aborted or completed.",
        UploadId=upload_id,
    )


def invalid_argument(message: str, name: str, value: str) -> OssError:
    """A query parameter or header has a value out of its documented range."""
    return OssError("InvalidArgument", message, ArgumentName=name, ArgumentValue=value)


def file_already_exists() -> OssError:
    """``x-oss-forbid-overwrite`` was set and the object is there."""
    return OssError("FileAlreadyExists", "The object you specified already exists and can not be overwritten.")
