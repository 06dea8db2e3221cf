"""All fields of a configuration with their defaults.

A file in `configs/` starts from `default()` and changes some fields; the command line overrides single fields
(`--config.train.batch_size=64`). ml_collections refuses unknown fields.
"""

from ml_collections import ConfigDict, config_dict


def default() -> ConfigDict:
    """Returns the default configuration, a full-size DSAT for 68 landmarks. Comments give units and meanings."""
    config = ConfigDict()
    config.name = "default"  # the run folder is runs/<name> unless --workdir is given
    config.seed = 0
    config.model = default_dsat()
    config.data = _data()
    config.input = _input()
    config.augment = _augment()
    config.loss = _loss()
    config.optimizer = _optimizer()
    config.train = _train()
    config.mesh = _mesh()
    config.evaluate = _evaluate()
    return config


def _data() -> ConfigDict:
    data = ConfigDict()
    data.dataset = "w300"  # a builder of tfds_builders/, or <builder>/<builder config>
    data.data_dir = config_dict.placeholder(str)  # folder of built datasets; None is TFDS's default
    # A key of SCHEMES, or a description in JSON; empty: the scheme of the dataset, or for a mixture the joint scheme of
    # all datasets.
    data.scheme = "w300_68"
    data.train = "train[:95%]"  # TFDS split to train on
    # Further training datasets, each "DATASET SPLIT SHARE" or "DATASET SPLIT SHARE DATA_DIR": SHARE is its part of the
    # training faces; `dataset` has the rest.
    data.mixture = ()
    data.tied = False  # whether points at the same position of the face are one point of a joint scheme
    data.validation = "train[95%:]"  # TFDS split that chooses the best checkpoint; not a test split
    # Whether all training images are decoded before the first step and stay on the devices, split over them, where the
    # training step makes its crops; the host then sends only record numbers. The run logs the required memory and
    # refuses to start if less is available.
    data.resident = False
    # TFDS splits evaluated at the end of a run; empty: all splits whose name contains "test".
    data.test = ("helen_test",)
    return data


def _input() -> ConfigDict:
    crop = ConfigDict()
    crop.size = 128  # side of the network's square input
    crop.enlarge = 0.125  # margin around the face box on each side, as a share of the box
    crop.mean = (0.0, 0.0, 0.0)  # mean of images in [0, 1], per channel
    crop.std = (1.0, 1.0, 1.0)  # standard deviation, per channel
    return crop


def _augment() -> ConfigDict:
    augment = ConfigDict()
    augment.rotation = 30.0  # degrees, U(-rotation, rotation)
    augment.any_rotation = 0.0  # probability of a rotation from the whole circle instead
    augment.turn = (
        0.0  # probability of turning the head in depth, for faces with landmarks of w300_68 or wflw_98
    )
    augment.turn_yaw = 60.0  # largest additional yaw in degrees
    augment.turn_pitch = 20.0  # largest additional pitch in degrees
    augment.perspective = 0.0  # largest shift of the crop's corners as a share of its side; 0 disables it
    augment.scale = (0.9, 1.2)  # U(low, high)
    augment.shift = 0.1  # share of the input's size, U(-shift, shift) per axis
    augment.mirror = 0.5  # probability
    augment.gain = (0.7, 1.3)  # factor of each colour channel, U(low, high)
    augment.grey = 0.1  # probability
    augment.low_resolution = 0.2  # probability
    augment.low_resolution_share = 0.75  # reduced side as a share of the input's size
    augment.occlusion = 0.3  # probability
    augment.occlusion_largest = 0.5  # longest side of the rectangle as a share of the input's size
    # For hard faces, off by default. After each probability comes the interval of the strength, drawn for each image.
    augment.cover = 0.0  # probability of sunglasses, a mask, a hand, hair or an object in front of the face
    augment.low_light = 0.0  # probability
    augment.low_light_stops = (1.0, 4.0)  # the light is divided by 2 ** stops
    augment.over_exposure = 0.0  # probability
    augment.over_exposure_stops = (0.5, 1.5)  # the light is multiplied by 2 ** stops
    augment.blur = 0.0  # probability
    augment.blur_sigma = (0.005, 0.02)  # standard deviation of the Gaussian as a share of the input's size
    augment.motion_blur = 0.0  # probability
    augment.motion_blur_length = (0.03, 0.1)  # length of the line as a share of the input's size
    augment.noise = 0.0  # probability
    augment.noise_sigma = (0.01, 0.08)  # standard deviation at white, for pixel values from 0 to 1
    augment.small_faces = 0.0  # probability of scaling the crop down and up
    augment.small_faces_sides = (24, 48)  # pixels to which the side of the crop is scaled down
    augment.jpeg = 0.0  # probability
    augment.jpeg_quality = (10, 60)  # scale of libjpeg, 1 to 100
    return augment


def _loss() -> ConfigDict:
    loss = ConfigDict()
    loss.heatmap = 1.0  # weight of the mean squared error over heatmaps; 0 disables it
    loss.coordinates = 1e-3  # weight of the penalty on points, in input pixels; 0 disables it
    loss.penalty = "smooth_wing"  # a key of losses.PENALTIES
    loss.auxiliary = 0.0  # weight of the same penalty on the points of the decoder layers before the last
    loss.sparsity = 0.0  # weight of the mean openness of a learned gate
    loss.sigma = 3.0  # standard deviation of the target Gaussians in heatmap pixels
    loss.truncate = False  # whether target coordinates are truncated to integers, as in the released code
    return loss


def _optimizer() -> ConfigDict:
    optimizer = ConfigDict()
    optimizer.name = "adamw"  # a key of optimizer.OPTIMIZERS
    optimizer.learning_rate = 1e-3
    optimizer.b1 = 0.9
    optimizer.b2 = 0.999
    optimizer.weight_decay = 1e-4
    optimizer.clip_norm = 0.0  # largest norm of the global gradient; 0 disables clipping
    optimizer.schedule = "cosine"  # a key of optimizer.SCHEDULES; cosine ends at zero
    optimizer.warmup_steps = 500
    # Schedule "step" multiplies the learning rate by step_factor at each of these shares of the run's steps.
    optimizer.step_at = (0.4, 0.8)
    optimizer.step_factor = 0.5
    optimizer.backbone_factor = 1.0  # learning rate of the backbone as a multiple of `learning_rate`
    optimizer.ema = 0.999  # decay of the averaged parameters, which are evaluated; 0 disables averaging
    return optimizer


def _train() -> ConfigDict:
    train = ConfigDict()
    train.batch_size = 32  # total over all devices and processes
    train.steps = 100_000
    # Initial weights: the name of a shipped network, a .safetensors file, or a run folder; None starts from scratch.
    train.start_from = config_dict.placeholder(str)
    train.log_every = 50  # steps between two lines of metrics
    train.evaluate_every = 2_000  # steps between two evaluations, each with a checkpoint
    train.save_every = 1_000  # steps between two checkpoints without an evaluation
    # Processes that decode and warp training images, for each process of the run; 0: `train.reader_threads` do so.
    train.reader_processes = 0
    # Threads of each process that decode and warp images; with `train.reader_processes`, only those of evaluations.
    train.reader_threads = 4
    # Whether decoded training images stay in memory, so that from the second epoch on they are only warped. Each
    # process, or each of its `train.reader_processes`, holds the whole split; the run logs the required memory and
    # refuses to start if less is available.
    train.keep_decoded = False
    train.accumulate = 1  # number of parts of a batch that are processed one after another, to save memory
    # Faces over which BatchNorm takes its statistics: "batch" gives the same result on any number of devices, "device"
    # needs no communication in the forward and backward pass.
    train.statistics = "batch"
    # Reaction to a loss or gradient that is not finite: "stop" ends the run, "skip" leaves out the step.
    train.not_finite = "stop"
    train.stall_seconds = 60.0  # waiting time for a batch after which the reader is reported as stalled
    return train


def _mesh() -> ConfigDict:
    mesh = ConfigDict()
    mesh.model = 1  # number of devices over which large arrays of the state are sharded; 1 replicates them
    return mesh


def _evaluate() -> ConfigDict:
    evaluate = ConfigDict()
    evaluate.batch_size = 32  # total over all devices and processes
    evaluate.mirror = True  # whether to use mirror averaging
    # A key of decode.DECODERS. soft_argmax is best for networks trained on its coordinates; log_quadratic is best for
    # networks trained on heatmaps alone.
    evaluate.decoder = "soft_argmax"
    evaluate.normaliser = "inter_ocular"  # a key of metrics.NORMALISERS
    evaluate.threshold = 0.08  # NME threshold of FR and AUC, a share of the normaliser
    return evaluate


def default_dsat() -> ConfigDict:
    """Returns the fields of DSAT: the module's attributes, `name`, and `boundaries` (whether to predict boundaries).

    The default gate is 'learned'; the released network has the gate 'released'.
    """
    return ConfigDict(
        {
            "name": "dsat",
            "boundaries": True,
            "width": 256,
            "stacks": 4,
            "transformer_layers": 3,
            "heads": 4,
            "gate": "learned",
            "embedding_dropout": 0.1,
            "attention_dropout": 0.1,
            "head_channels": 0,  # 0: half of the width
            "upsample": True,
            "rematerialise": False,
            "dtype": "float32",
        }
    )


def default_lotr() -> ConfigDict:
    """Returns the fields of LOTR-M: the attributes of the module, `name`, and `backbone_weights`."""
    return ConfigDict(
        {
            "name": "lotr",
            "backbone": "mobilenet_v2",
            "backbone_weights": config_dict.placeholder(str),  # file; for an hourglass, a DSAT
            "freeze_norm": False,
            "upsamplings": 0,
            "dim": 256,
            "heads": 8,
            "feed_forward": 1024,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "head_width": 512,
            "pointing": False,
            "position": "learned",
            "dropout": 0.1,
            "rematerialise": False,
            "dtype": "float32",
        }
    )


# Default fields by `config.model.name`.
MODEL_DEFAULTS = {"dsat": default_dsat, "lotr": default_lotr}
