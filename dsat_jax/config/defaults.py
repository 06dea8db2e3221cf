"""The configuration of a run: every field with its default.

A file in `configs/` starts from `default()` and changes what it needs; the command line overrides single fields
(`--config.train.batch_size=64`). Unknown fields are refused by ml_collections.
"""

from ml_collections import ConfigDict, config_dict


def default() -> ConfigDict:
    """A full DSAT on 68 points, trained our way. Units are pixels, steps and shares unless a comment says more."""
    config = ConfigDict()
    config.name = "default"  # the run's folder is runs/<name> unless --workdir says otherwise
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
    data.dataset = "w300"  # a builder of tfds_builders/, with /config where it is not the default
    data.data_dir = config_dict.placeholder(str)  # where datasets lie; TFDS's own default if not given
    data.scheme = "w300_68"  # a key of schemes.SCHEMES, or a description as JSON; empty for the dataset's own
    data.train = "train[:95%]"  # TFDS split
    data.validation = "train[95%:]"  # chooses the best checkpoint; never a test split
    data.test = (
        "helen_test",
    )  # TFDS splits, reported at the end of a run; none for all that are called test
    return data


def _input() -> ConfigDict:
    crop = ConfigDict()
    crop.size = 128  # side of the network's square input
    crop.enlarge = 0.125  # margin around the face box on each side, as a share of the box
    crop.mean = (0.0, 0.0, 0.0)  # of images in [0, 1], per channel
    crop.std = (1.0, 1.0, 1.0)
    return crop


def _augment() -> ConfigDict:
    augment = ConfigDict()
    augment.rotation = 30.0  # degrees, U(-rotation, rotation)
    augment.scale = (0.9, 1.2)  # U(low, high)
    augment.shift = 0.1  # of the input's size, U(-shift, shift) per axis
    augment.mirror = 0.5  # probability
    augment.gain = (0.7, 1.3)  # per colour channel, U(low, high)
    augment.grey = 0.1  # probability
    augment.low_resolution = 0.2  # probability
    augment.low_resolution_share = 0.75  # of the input's size
    augment.occlusion = 0.3  # probability
    augment.occlusion_largest = 0.5  # longest side of the rectangle, of the input's size
    return augment


def _loss() -> ConfigDict:
    loss = ConfigDict()
    loss.heatmap = 1.0  # weight of the mean squared error over heatmaps; 0 leaves it out
    loss.coordinates = 1e-3  # weight of the penalty on decoded points, in input pixels; 0 leaves it out
    loss.penalty = "smooth_wing"
    loss.auxiliary = 0.0  # weight of the same penalty on the points of the decoder layers before the last
    loss.sparsity = 0.0  # weight of the mean openness of a learned gate
    loss.sigma = 3.0  # of the target Gaussians, in heatmap pixels
    loss.truncate = False  # integer targets, as in the released code
    return loss


def _optimizer() -> ConfigDict:
    optimizer = ConfigDict()
    optimizer.name = "adamw"
    optimizer.learning_rate = 1e-3
    optimizer.b1 = 0.9
    optimizer.b2 = 0.999
    optimizer.weight_decay = 1e-4
    optimizer.clip_norm = 0.0  # of the global gradient; 0 does not clip
    optimizer.schedule = "cosine"  # cosine to zero, step, or constant
    optimizer.warmup_steps = 500
    # Schedule "step": learning rate x step_factor at each of these shares of the run's steps.
    optimizer.step_at = (0.4, 0.8)
    optimizer.step_factor = 0.5
    optimizer.backbone_factor = 1.0  # the backbone's learning rate as a multiple of the others'
    optimizer.ema = 0.999  # decay of the averaged parameters that are evaluated; 0 evaluates the last ones
    return optimizer


def _train() -> ConfigDict:
    train = ConfigDict()
    train.batch_size = 32  # over all devices and processes
    train.steps = 100_000
    # A trained network to begin with: a shipped one by its name, a .safetensors file, or a run's folder.
    train.start_from = config_dict.placeholder(str)
    train.log_every = 50
    train.evaluate_every = 2_000  # evaluates on validation and saves
    train.save_every = 1_000  # saves, to go on from there
    train.reader_threads = 4
    # Training pictures stay in memory once they are decoded: from the second epoch on the reader only warps them. Every
    # process comes to hold the whole split; what it takes is said at the start, and refused if it is not there.
    train.keep_decoded = False
    train.accumulate = (
        1  # parts into which a batch is divided, one after the other on every device, to save memory
    )
    train.not_finite = "stop"  # or "skip": a step whose loss or gradient is not finite changes nothing
    train.stall_seconds = 60.0  # without a batch from the reader until it is reported
    return train


def _mesh() -> ConfigDict:
    mesh = ConfigDict()
    mesh.model = 1  # devices over which large arrays of the state are split; 1 keeps a copy on each
    return mesh


def _evaluate() -> ConfigDict:
    evaluate = ConfigDict()
    evaluate.batch_size = 32  # over all devices and processes
    evaluate.mirror = True  # average with the prediction of the mirrored picture
    # One of decode.DECODERS. A network trained on the coordinates of soft_argmax is best read by it; log_quadratic
    # suits heatmaps that were trained alone.
    evaluate.decoder = "soft_argmax"
    evaluate.normaliser = "inter_ocular"  # one of metrics.NORMALISERS
    evaluate.threshold = 0.08  # of FR and AUC, as a share of the normaliser
    return evaluate


def default_dsat() -> ConfigDict:
    """Our DSAT: every attribute of the module, its dtype by name, `name`, and whether it predicts boundaries.

    The original's gate is 'released'.
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
            "upsample": True,
            "rematerialise": False,
            "dtype": "float32",
        }
    )


def default_lotr() -> ConfigDict:
    """LOTR-M: every attribute of the module, its dtype by name, `name`, and the file of its pretrained backbone."""
    return ConfigDict(
        {
            "name": "lotr",
            "backbone": "mobilenet_v2",
            "backbone_weights": config_dict.placeholder(str),  # .pth, .npz or .safetensors; none if not given
            "freeze_norm": False,
            "upsamplings": 0,
            "dim": 256,
            "heads": 8,
            "feed_forward": 1024,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "head_width": 512,
            "position": "learned",
            "dropout": 0.1,
            "rematerialise": False,
            "dtype": "float32",
        }
    )


# By `config.model.name`.
MODEL_DEFAULTS = {"dsat": default_dsat, "lotr": default_lotr}
