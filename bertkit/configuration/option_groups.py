"""Names the groups in which help pages list options; every option says which is its own."""

RECIPE = "Recipe"
DATA = "Data"
TEXT = "Text"
RECORDS = "Records"
QUALITY = "What to drop"
TASK = "Task"
MODEL = "Model"
OPTIMIZATION = "Optimization"
CHECKPOINTS = "Checkpoints"
EVALUATION = "Evaluation"
MACHINE = "Machine"
KUBERNETES = "Kubernetes"
SLURM = "Slurm"
OUTPUT = "Output"
HELP = "Help"

# In the order of a page. Options without a group would come last; a test lets none pass.
ORDER = (
    RECIPE,
    DATA,
    TEXT,
    RECORDS,
    QUALITY,
    TASK,
    MODEL,
    OPTIMIZATION,
    CHECKPOINTS,
    EVALUATION,
    MACHINE,
    KUBERNETES,
    SLURM,
    OUTPUT,
    HELP,
)
OTHERS = "Other options"
