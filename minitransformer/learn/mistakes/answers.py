"""What is wrong with each function of `wrong_code.py`, and why it went unnoticed: read it after you have looked."""

ANSWERS: dict[str, str] = {
    "softmax_backward_1": (
        "The gradient is divided by the batch. The mean belongs to the loss, which has already taken it; with a "
        "batch of one nobody sees it."
    ),
    "softmax_2": (
        "The softmax is taken over the queries: each key's weights sum to 1, not each query's. The shape is right."
    ),
    "masked_softmax_3": (
        "Masked scores are -1e9 instead of -infinity: a query that may attend to nothing attends to all keys "
        "alike. With no such row, nothing differs."
    ),
    "causal_mask_4": (
        "The mask is transposed: each position sees the future and not the past. The loss falls very well."
    ),
    "split_heads_5": (
        "Reshape without swapping axes: a head gets several positions' features in a row. The shape is right."
    ),
    "multi_head_6": (
        "The scores are divided by sqrt(d_model), all heads' width, instead of sqrt(d_k): the softmax is too "
        "flat, and with one head it is right."
    ),
    "scaled_dot_product_backward_7": (
        "The forward divides by sqrt(d_k), the backward does not: gradients of queries and keys are too large by "
        "that factor. Adam hides it, for it does not care about a gradient's size."
    ),
    "attend_backward_8": (
        "Dropout's mask is applied on the way forward and forgotten on the way back. Without dropout, as in most "
        "gradient checks, it is right."
    ),
    "layer_norm_9": ("The variance is divided by d - 1 instead of d. At d = 512 that is a part in a thousand."),
    "layer_norm_10": ("eps is added to the root instead of under it: a tiny difference, until the variance is small."),
    "layer_norm_backward_11": (
        "The gain stands outside the means: each g_k = dy_k gamma_k must be weighed before they are taken. With "
        "gamma = 1, as at the start of training, it is right."
    ),
    "post_norm_encoder_layer_backward_12": (
        "u went around the feed-forward network and through it, and only one of the two gradients is handed on: "
        "du_around is lost."
    ),
    "post_norm_encoder_layer_backward_13": (
        "x is query, key and value at once, and only the query's gradient comes back."
    ),
    "post_norm_encoder_layer_14": (
        "One dropout mask serves two places: what is dropped after the attention is dropped again after the feed- "
        "forward network. The shapes are equal, and every number looks right."
    ),
    "embedding_backward_15": (
        "`dE[ids] += dx` keeps the last gradient of a word that occurs twice: NumPy reads, adds, and writes once. "
        "With all tokens different it is right."
    ),
    "linear_backward_16": ("W instead of its transpose. Square weights hide it; any other width stops it at once."),
    "positional_encoding_17": (
        "Each column has a frequency of its own: the exponent is the column's number over d instead of 2j/d, so "
        "that sine and cosine of a pair do not turn together."
    ),
    "dropout_18": (
        "What is kept is not divided by 1 - rate: in training everything is too small on average, and the "
        "evaluation meets other sizes than the training did."
    ),
    "cross_entropy_19": (
        "The mean is taken over all positions, the ignored ones too: padding makes the loss look better."
    ),
    "gelu_tanh_backward_20": (
        "The derivative of x^3 lost its 3. The slope is off by a few percent, and training goes on."
    ),
    "residual_21": ("Dropout acts on the sum: the path around the sublayer is dropped as well."),
    "attention_22": (
        "The mask is applied after the softmax: what is left of the weights no longer sums to 1, and masked keys "
        "still take part in the sum below the fraction."
    ),
}
