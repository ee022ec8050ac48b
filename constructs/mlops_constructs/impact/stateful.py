"""Resource types that hold what a new deployment cannot bring back, and what that is.

A type is here when its resources hold data, keys, history or registrations that came to them
after the deployment. Left out on purpose: what a template makes again completely (models,
endpoints, pipelines, topics and their subscriptions, roles, functions, networks, parameters).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_TYPES: Final[Mapping[str, str]] = {
    "the records of the online store, and the tie to those of the offline store": (
        "SageMaker::FeatureGroup"
    ),
    "all model versions with their approvals and metrics": "SageMaker::ModelPackageGroup",
    "a model version with its approval": "SageMaker::ModelPackage",
    "every user's home directory, spaces and apps": "SageMaker::Domain",
    "the user's home directory and apps": "SageMaker::UserProfile",
    "the files on the space's volume": "SageMaker::Space",
    "the files on the notebook's volume": "SageMaker::NotebookInstance",
    "the experiments and models that are tracked there": (
        "SageMaker::MlflowTrackingServer SageMaker::MlflowApp"
    ),
    "the models and notebooks that were imported into it": "SageMaker::Hub",
    "its objects": (
        "S3::Bucket S3Express::DirectoryBucket S3Tables::TableBucket S3Tables::Table "
        "S3Vectors::VectorBucket S3Vectors::Index S3Outposts::Bucket Lightsail::Bucket"
    ),
    "everything that is encrypted with it": "KMS::Key KMS::ReplicaKey",
    "its rows": (
        "DynamoDB::Table DynamoDB::GlobalTable RDS::DBInstance RDS::DBCluster RDS::GlobalCluster "
        "DSQL::Cluster Neptune::DBCluster NeptuneGraph::Graph DocDB::DBCluster "
        "DocDBElastic::Cluster DocDB::GlobalCluster Redshift::Cluster "
        "RedshiftServerless::Namespace Timestream::Database Timestream::Table "
        "Timestream::InfluxDBInstance Cassandra::Keyspace Cassandra::Table Lightsail::Database "
        "QLDB::Ledger HealthLake::FHIRDatastore"
    ),
    "its entries": (
        "ElastiCache::CacheCluster ElastiCache::ReplicationGroup ElastiCache::ServerlessCache "
        "ElastiCache::GlobalReplicationGroup MemoryDB::Cluster"
    ),
    "its files": (
        "EFS::FileSystem FSx::FileSystem FSx::Volume FSx::StorageVirtualMachine EC2::Volume "
        "Lightsail::Disk WorkSpaces::Workspace"
    ),
    "its index and documents": (
        "OpenSearchService::Domain Elasticsearch::Domain OpenSearchServerless::Collection "
        "Kendra::Index"
    ),
    "messages that are not read yet": (
        "SQS::Queue Kinesis::Stream MSK::Cluster MSK::ServerlessCluster AmazonMQ::Broker"
    ),
    "its log events": "Logs::LogGroup CloudTrail::EventDataStore",
    "its images or packages": (
        "ECR::Repository ECR::PublicRepository CodeArtifact::Domain CodeArtifact::Repository"
    ),
    "its commits": "CodeCommit::Repository",
    "the secret value": "SecretsManager::Secret",
    "its tables and partitions": "Glue::Database Glue::Table",
    "its backups": "Backup::BackupVault Backup::LogicallyAirGappedBackupVault",
    "its users": "Cognito::UserPool Cognito::IdentityPool",
    "its records and the name servers that the domain is delegated to": "Route53::HostedZone",
    "the trust in every certificate that it issued": "ACMPCA::CertificateAuthority",
    "a whole account": "Organizations::Account",
    "everything that the nested stack holds": "CloudFormation::Stack",
}

STATEFUL: Final[Mapping[str, str]] = {
    f"AWS::{name}": loss for loss, names in _TYPES.items() for name in names.split()
}
"""Type to what is lost with one of its resources."""
