"""What runs where the data is: ingestion, online reads and training sets, without aws_cdk.

boto3 is imported only where a client is made for you; Athena's SQL needs nothing at all.
"""

from mlops_constructs.runtime.ingestion import IngestionError, IngestionReport, ingest
from mlops_constructs.runtime.online import OnlineRecords, read_online
from mlops_constructs.runtime.progress import ProgressBar
from mlops_constructs.runtime.retries import Retries
from mlops_constructs.runtime.training_sets import (
    Labels,
    OfflineGroup,
    TimeFormat,
    training_set_sql,
)
from mlops_constructs.runtime.writes import Failure

__all__ = [
    "Failure",
    "IngestionError",
    "IngestionReport",
    "Labels",
    "OfflineGroup",
    "OnlineRecords",
    "ProgressBar",
    "Retries",
    "TimeFormat",
    "ingest",
    "read_online",
    "training_set_sql",
]
