"""The questions of the report, each with a word to who does not know its measures."""

from twofold.evaluation.measure import Question

__all__ = ["CLASSES", "COST", "COVERAGE", "DISTANCE", "LATENTS", "LIKELIHOOD", "LOSSES",
           "MEMORIZATION", "RECOGNITION"]  # fmt: skip

LIKELIHOOD = Question(
    "Likelihood",
    "How probable the model finds test images; more nats are better. ELBO and IWAE bound lie "
    "below ln p(x), the IWAE bound the closer the larger its k. Models that see other pixels "
    "or have another condition are on another scale, and a good likelihood need not look good.",
    order=10,
)
RECOGNITION = Question(
    "Recognition",
    "Whether classifiers of real images see what an image was meant to show (GAN-test), and "
    "whether one that learned from generated images knows real ones (GAN-train); higher is "
    "better. GAN-test is blind to diversity: one good image of each class gets 100 %.",
    order=20,
)
DISTANCE = Question(
    "Distance",
    "How far generated images lie from test images as a whole; lower is better, and other real "
    "images in their place give the reference. FID grows when fewer images are counted, its limit "
    "and KID do not. The features are this page's own, so the figures of papers, with Inception's, "
    "are on another scale.",
    order=30,
)
COVERAGE = Question(
    "Fidelity and diversity",
    "Precision and density: do generated images lie among real ones? Recall and coverage: do "
    "real images have generated ones near? Higher is better. Smooth images can pass the "
    "reference of the first two and fall short in recall. NDB and its divergence count images in "
    "bins of similar ones; lower is better.",
    order=40,
)
MEMORIZATION = Question(
    "Memorization",
    "Whether the model repeats its training images, or itself. A model that has learned and "
    "not copied is near the reference. Smooth images lie near to any image, so that a short "
    "distance alone proves nothing; the pairs below show what it is.",
    order=50,
)
CLASSES = Question(
    "Classes",
    "Which classes, or modes, are generated, as a classifier sees them. A model that is asked "
    "for its classes gets their shares for free, and the Inception Score never looks at a "
    "real image.",
    order=60,
)
LATENTS = Question(
    "Latent space",
    "How much of the class can be read from the codes of images. An encoder that is given "
    "the true class can leak it into the code: that figure says nothing of what was learned. "
    "The reference is that of as many principal components of the pixels.",
    order=70,
)
LOSSES = Question("Losses", order=80)
COST = Question("Cost", "Operations are counted, speed is measured.", order=90)
