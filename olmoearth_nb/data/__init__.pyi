from .load import data_dir as data_dir
from .load import embedded_names as embedded_names
from .load import load_embedded as load_embedded
from .load import load_place as load_place
from .load import load_sample as load_sample
from .load import load_scene as load_scene
from .load import pretrained_dir as pretrained_dir
from .load import pretrained_names as pretrained_names
