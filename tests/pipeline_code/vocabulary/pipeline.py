"""A pipeline with a step of every type that a definition can hold; it is compiled, never run."""

from sagemaker.core.clarify import BiasConfig, DataConfig
from sagemaker.core.lambda_helper import Lambda
from sagemaker.core.model_monitor import DatasetFormat
from sagemaker.core.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter
from sagemaker.core.processing import Processor
from sagemaker.core.shapes import (
    CheckpointConfig,
    OutputDataConfig,
    ProcessingOutput,
    ProcessingS3Output,
    StoppingCondition,
)
from sagemaker.core.transformer import Transformer
from sagemaker.core.workflow.conditions import (
    ConditionEquals,
    ConditionGreaterThan,
    ConditionGreaterThanOrEqualTo,
    ConditionIn,
    ConditionLessThan,
    ConditionLessThanOrEqualTo,
    ConditionNot,
    ConditionOr,
)
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterString
from sagemaker.mlops.workflow.callback_step import (
    CallbackOutput,
    CallbackOutputTypeEnum,
    CallbackStep,
)
from sagemaker.mlops.workflow.check_job_config import CheckJobConfig
from sagemaker.mlops.workflow.clarify_check_step import ClarifyCheckStep, DataBiasCheckConfig
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.emr_serverless_step import EMRServerlessJobConfig, EMRServerlessStep
from sagemaker.mlops.workflow.emr_step import EMRStep, EMRStepConfig
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.lambda_step import (
    LambdaOutput,
    LambdaOutputTypeEnum,
    LambdaStep,
)
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.quality_check_step import DataQualityCheckConfig, QualityCheckStep
from sagemaker.mlops.workflow.step_dependency import StepDependency, TriggerCondition
from sagemaker.mlops.workflow.steps import (
    CacheConfig,
    ProcessingStep,
    TrainingStep,
    TransformStep,
    TuningStep,
)
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData
from sagemaker.train.tuner import HyperparameterTuner

from pipeline_code.compiler import Context


def build(context: Context) -> Pipeline:
    """Build the pipeline."""
    session = context.session
    artifacts = f"s3://{context.bucket('artifacts')}/vocabulary"
    # The SDK uploads a bias check's configuration; the deployment of one does that instead.
    session.upload_string_as_file_body = lambda *_, **__: None
    session.upload_data = lambda *_, **__: f"{artifacts}/bias-config/analysis_config.json"
    image = context.image("xgboost", version="3.2-0")
    data = f"s3://{context.bucket('data')}/raw/"
    stage = ParameterString("Stage", default_value="dev", enum_values=["dev", "prod"])
    limit = ParameterFloat("Limit", default_value=0.5)
    code = context.bundle("work", entry="work.py", files=["steps/work.py"])

    prepare = ProcessingStep(
        "Prepare",
        step_args=Processor(
            role=context.role("processing"),
            image_uri=image,
            instance_type="ml.m5.large",
            instance_count=1,
            sagemaker_session=session,
        ).run(
            arguments=["--code", code.uri],
            outputs=[
                ProcessingOutput(
                    output_name="data",
                    s3_output=ProcessingS3Output(
                        s3_uri=f"{artifacts}/prepared",
                        local_path="/opt/ml/processing/output",
                        s3_upload_mode="EndOfJob",
                    ),
                )
            ],
        ),
        cache_config=CacheConfig(enable_caching=True, expire_after="P1D"),
    )
    prepared = prepare.properties.ProcessingOutputConfig.Outputs["data"].S3Output.S3Uri

    def trainer(name: str) -> ModelTrainer:
        return ModelTrainer(
            role=context.role("training"),
            training_image=image,
            base_job_name=name,
            compute=Compute(
                instance_type="ml.m5.large",
                instance_count=1,
                volume_size_in_gb=30,
                enable_managed_spot_training=True,
            ),
            stopping_condition=StoppingCondition(
                max_runtime_in_seconds=3600, max_wait_time_in_seconds=7200
            ),
            checkpoint_config=CheckpointConfig(s3_uri=f"{artifacts}/checkpoints/{name}"),
            output_data_config=OutputDataConfig(s3_output_path=f"{artifacts}/{name}"),
            hyperparameters={"sagemaker_program": code.entry},
            sagemaker_session=session,
        )

    train = TrainingStep(
        "Train",
        step_args=trainer("train").train([InputData(channel_name="train", data_source=prepared)]),
    )
    tune = TuningStep(
        "Tune",
        step_args=HyperparameterTuner(
            trainer("tune"),
            objective_metric_name="auc",
            metric_definitions=[{"Name": "auc", "Regex": "auc=([0-9.]+)"}],
            hyperparameter_ranges={
                "eta": ContinuousParameter(0.01, 0.5, scaling_type="Logarithmic"),
                "max_depth": IntegerParameter(2, 8),
                "booster": CategoricalParameter(["gbtree", "dart"]),
            },
            max_jobs=6,
            max_parallel_jobs=2,
            early_stopping_type="Auto",
            random_seed=7,
        ).tune([InputData(channel_name="train", data_source=prepared)]),
    )
    best = tune.get_top_model_s3_uri(top_k=0, s3_bucket=context.bucket("artifacts"), prefix="tune")
    builder = ModelBuilder(
        image_uri=image,
        s3_model_data_url=best,
        role_arn=context.role("model"),
        sagemaker_session=session,
    )
    create = ModelStep("Create", step_args=builder.build())
    register = ModelStep(
        "Register",
        step_args=builder.register(
            model_package_group_name=context.model_package_group(),
            approval_status="PendingManualApproval",
            content_types=["text/csv"],
            response_types=["text/csv"],
        ),
    )
    predict = TransformStep(
        "Predict",
        step_args=Transformer(
            model_name=create.properties.ModelName,
            instance_type="ml.m5.large",
            instance_count=1,
            output_path=f"{artifacts}/predictions",
            base_transform_job_name="predict",
            sagemaker_session=session,
        ).transform(data=prepared, content_type="text/csv", split_type="Line"),
    )
    function = Lambda(function_arn=context.function("notify"), session=session)
    score = LambdaOutput(output_name="score", output_type=LambdaOutputTypeEnum.Float)
    ask = LambdaStep("Ask", lambda_func=function, inputs={"model": best}, outputs=[score])
    alarm = LambdaStep(
        "Alarm",
        lambda_func=function,
        inputs={"what": "training failed"},
        outputs=[],
        depends_on=[StepDependency(train, TriggerCondition.FAILED)],
    )
    verdict = CallbackOutput(output_name="verdict", output_type=CallbackOutputTypeEnum.String)
    approve = CallbackStep(
        "Approve",
        sqs_queue_url=context.queue("approvals"),
        inputs={"model": best},
        outputs=[verdict],
    )
    check_job = CheckJobConfig(role=context.role("processing"), sagemaker_session=session)
    quality = QualityCheckStep(
        "Quality",
        quality_check_config=DataQualityCheckConfig(
            baseline_dataset=prepared,
            dataset_format=DatasetFormat.csv(header=True),
            output_s3_uri=f"{artifacts}/quality",
        ),
        check_job_config=check_job,
        model_package_group_name=context.model_package_group(),
    )
    bias = ClarifyCheckStep(
        "Bias",
        clarify_check_config=DataBiasCheckConfig(
            data_config=DataConfig(
                s3_data_input_path=prepared,
                s3_output_path=f"{artifacts}/bias",
                s3_analysis_config_output_path=f"{artifacts}/bias-config",
                label="income",
                dataset_type="text/csv",
            ),
            data_bias_config=BiasConfig(
                label_values_or_threshold=[1], facet_name="sex", facet_values_or_threshold=[0]
            ),
        ),
        check_job_config=check_job,
        model_package_group_name=context.model_package_group(),
    )
    spark = EMRStep(
        "Spark",
        display_name="Spark",
        description="On a cluster that runs",
        cluster_id=context.value("emr-cluster"),
        step_config=EMRStepConfig(jar="command-runner.jar", args=["spark-submit", data]),
        execution_role_arn=context.emr_role("spark"),
    )
    own_cluster = EMRStep(
        "OwnCluster",
        display_name="OwnCluster",
        description="On a cluster of its own",
        cluster_id=None,
        cluster_config={
            "Instances": {
                "InstanceGroups": [
                    {
                        "InstanceRole": "MASTER",
                        "InstanceCount": 1,
                        "InstanceType": "m5.xlarge",
                    }
                ]
            },
            "ReleaseLabel": "emr-7.0.0",
            "JobFlowRole": context.value("emr-profile"),
            "ServiceRole": context.emr_role("service"),
        },
        step_config=EMRStepConfig(jar="command-runner.jar"),
    )
    serverless = EMRServerlessStep(
        "Serverless",
        display_name="Serverless",
        description="On an application that exists",
        job_config=EMRServerlessJobConfig(
            job_driver={"sparkSubmit": {"entryPoint": f"{artifacts}/job.py"}},
            execution_role_arn=context.emr_role("spark"),
        ),
        application_id="00abc1defghij2kl",
    )
    gate = ConditionStep(
        "Gate",
        conditions=[
            ConditionGreaterThanOrEqualTo(left=ask.properties.Outputs["score"], right=limit),
            ConditionOr(
                [
                    ConditionEquals(left=stage, right="dev"),
                    ConditionNot(ConditionIn(value=stage, in_values=["dev", "prod"])),
                    ConditionLessThan(left=limit, right=1.0),
                ]
            ),
        ],
        if_steps=[
            ConditionStep(
                "Inner",
                conditions=[
                    ConditionLessThanOrEqualTo(left=limit, right=1.0),
                    ConditionGreaterThan(left=limit, right=0.0),
                    ConditionEquals(left=approve.properties.Outputs["verdict"], right="yes"),
                ],
                if_steps=[register],
                else_steps=[],
            )
        ],
        else_steps=[FailStep("Refuse", error_message="not good enough")],
    )
    return Pipeline(
        name="vocabulary",
        parameters=[stage, limit],
        steps=[
            prepare,
            train,
            tune,
            create,
            predict,
            ask,
            alarm,
            approve,
            quality,
            bias,
            spark,
            own_cluster,
            serverless,
            gate,
        ],
        pipeline_experiment_config=None,
        sagemaker_session=session,
    )
