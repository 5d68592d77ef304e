"""The map from text to code: for each equation of the text the function, its backward, and the tests of both."""

from typing import NamedTuple

from minitransformer.terminal import Screen


class Row(NamedTuple):
    section: str  # of the text
    equation: str
    function: str  # module and name, below `minitransformer`
    backward: str | None = None  # in the same module; None for what has no gradient

    @property
    def name(self) -> str:
        """The function's own name, which `minitransformer check` takes."""
        return self.function.rpartition(".")[2]

    @property
    def module(self) -> str:
        return f"minitransformer.{self.function.rpartition('.')[0]}"

    @property
    def tests(self) -> str:
        """The tests have the layout of the package; those of attention are several files."""
        package, _, module = self.function.rpartition(".")[0].rpartition(".")
        name = f"{module}/" if module == "attention" else f"test_{module}.py"
        return f"tests/{package.replace('.', '/')}/{name}"

    @property
    def notebook(self) -> str | None:
        name = NOTEBOOKS.get(self.section)
        return f"notebooks/{name}.ipynb" if name else None


NOTEBOOKS = {
    "2.1.1": "2.1_language_models",
    "2.1.2": "2.1_language_models",
    "2.1.3": "2.1_language_models",
    "2.2.1": "4.1_attention",
    "3.2.1": "4.1_attention",
    "4.1": "4.1_attention",
    "4.2": "4.2_multi_head",
    "4.3": "4.3_positional_encoding",
    "5": "5_encoder_layer",
}


def pair(section: str, equation: str, function: str, backward: str | None = None) -> Row:
    """A row with a backward, by default the function's name with `_backward`."""
    return Row(section, equation, function, backward or f"{function.rpartition('.')[2]}_backward")


INDEX: tuple[Row, ...] = (
    pair("2.1.1", "loss = -(1/n) sum_i log P(w_i | w_1, ..., w_{i-1})", "equations.cross_entropy.cross_entropy"),
    Row(
        "2.1.1", "P(w_1, ..., w_L) = prod_i P(w_i | w_1, ..., w_{i-1})", "equations.chain_rule.sequence_log_probability"
    ),
    Row("2.1.2", "P(w_i | w_1, ..., w_{i-1}) ~ P(w_i | w_{i-n+1}, ..., w_{i-1})", "models.ngram.ngram_probability"),
    pair("2.1.3", "softmax(tanh([E[w_{i-n+1}]; ...; E[w_{i-1}]] W_1 + b_1) W_2 + b_2)", "models.fnn_lm.fnn_lm"),
    pair("2.1.3", "softmax(h_i W + b), h_i the state after w_1, ..., w_i", "models.rnn_lm.rnn_lm"),
    pair("2.1.3", "h_t = tanh(x_t W_x + h_{t-1} W_h + b)", "layers.elman.elman"),
    pair("2.1.3", "c_t = f c_{t-1} + i g, h_t = o tanh(c_t)", "layers.lstm.lstm"),
    pair("2.1.3", "1 / (1 + exp(-x))", "equations.activations.sigmoid"),
    pair("2.2.1", "Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V", "equations.attention.attention"),
    pair("2.2.1", "the same, some queries at a time", "equations.blockwise_attention.blockwise_attention"),
    pair("2.2.2", "softmax(Decoder(y, Encoder(x)) W)", "models.transformer.transformer"),
    pair("2.2.2", "the same by two recurrent networks", "models.rnn_encoder_decoder.rnn_encoder_decoder"),
    pair("3.1", "x_n = EncoderLayer_n(x_{n-1})", "layers.encoder.encoder"),
    pair("3.1.1", "x_i = E[w_i]", "layers.embedding.embedding"),
    pair("3.1.1", "x = sqrt(d) E[w] + P", "models.transformer.embed_tokens"),
    pair("3.1.3", "FFN(x) = max(0, x W_1 + b_1) W_2 + b_2", "layers.feed_forward.feed_forward"),
    pair("3.1.3", "max(0, x)", "equations.activations.relu"),
    pair("3.1.3", "x Phi(x)", "equations.activations.gelu"),
    pair("3.1.3", "x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2", "equations.activations.gelu_tanh"),
    pair("3.1.3", "tanh(x)", "equations.activations.tanh"),
    pair("3.1.4", "x + f(x)", "layers.add_norm.residual"),
    pair("3.1.4", "LayerNorm(x + f(x))", "layers.add_norm.add_norm"),
    pair("3.1.4", "gamma (x - mean) / sqrt(variance + eps) + beta", "layers.layer_norm.layer_norm"),
    pair("3.1.4", "gamma x / sqrt(mean(x^2) + eps)", "layers.rms_norm.rms_norm"),
    pair("3.2", "x_n = DecoderLayer_n(x_{n-1}, memory)", "layers.decoder.decoder"),
    Row("3.2.1", "j <= i", "equations.attention.causal_mask"),
    Row("3.2.1", "j < length", "equations.attention.padding_mask"),
    pair("3.2.1", "alpha_j = 0 where masked", "equations.softmax.masked_softmax", "softmax_backward"),
    pair(
        "3.2.2",
        "u = LayerNorm(x + MultiHead(x)), v = LayerNorm(u + MultiHead(u, memory, memory)), y = LayerNorm(v + FFN(v))",
        "layers.decoder_layer.post_norm_decoder_layer",
    ),
    pair(
        "3.2.2",
        "u = x + MultiHead(LayerNorm(x)), v = u + MultiHead(LayerNorm(u), memory, memory), y = v + FFN(LayerNorm(v))",
        "layers.decoder_layer.pre_norm_decoder_layer",
    ),
    pair("3.3", "x_i = LayerNorm(E[w_i] + P_i + S[s_i])", "layers.bert_embedding.bert_embedding"),
    pair("3.3", "y = Encoder(x), every position from both of its sides", "models.bert.bert"),
    pair("3.3", "both guesses, of masked tokens and of what follows", "models.bert_pretraining.bert_pretraining"),
    pair("3.3.1", "logits = LayerNorm(GELU(y W + b)) E^T + b_V", "layers.mlm_head.mlm_head"),
    pair("3.3.2", "p = tanh(y_1 W + b)", "layers.pooler.pooler"),
    pair("3.4", "logits = y E^T", "layers.tied_output.tied_output"),
    pair("3.4.1", "y_i, what is known about w_1, ..., w_i", "models.gpt.gpt_body"),
    pair("3.4.1", "P(w_i | w_1, ..., w_{i-1})", "models.gpt.gpt"),
    pair("3.5.1", "P(start = i) ~ exp(y_i . s), P(end = i) ~ exp(y_i . e)", "models.span_reader.span_reader"),
    pair("3.5.2", "softmax(p W + b), p of the first token", "models.bert_classifier.bert_classifier"),
    pair("3.5.2", "softmax(y_n W + b), n the last token", "models.gpt_classifier.gpt_classifier"),
    pair(
        "4.1",
        "a_i = f(q, k_i), alpha = softmax(a), o = sum_i alpha_i v_i",
        "equations.attention_one_query.attention_one_query",
    ),
    pair("4.1", "f(q, k) = q^T k / sqrt(d)", "equations.attention.scaled_dot_product"),
    pair("4.1", "f(q, k) = q^T k", "equations.compatibility.dot_product"),
    pair("4.1", "f(q, k) = q^T M k", "equations.compatibility.bilinear"),
    pair("4.1", "f(q, k) = v^T tanh(W q + U k)", "equations.compatibility.additive"),
    pair("4.1", "alpha_i = exp(a_i) / sum_j exp(a_j)", "equations.softmax.softmax"),
    pair("4.1", "log alpha_i = a_i - log sum_j exp(a_j)", "equations.softmax.log_softmax"),
    pair("4.1", "O = softmax(A) V", "equations.attention.attend"),
    pair("4.1", "q = W_q x (here x W + b, x a row)", "layers.linear.linear"),
    pair("4.2", "MultiHead(Q, K, V) = Concat(head_1, ..., head_h) W^O", "layers.multi_head.multi_head"),
    pair("4.2", "Q W_i^Q for i = 1, ..., h", "equations.attention.split_heads", "merge_heads"),
    pair("4.2", "Concat(head_1, ..., head_h)", "equations.attention.merge_heads", "split_heads"),
    pair(
        "4.2",
        "variant, grouped queries: head_i = Attention(Q_i, K_g, V_g), g = i // (h/h_kv)",
        "equations.grouped_heads.share_heads",
    ),
    Row(
        "4.3",
        "P_{i,2j} = sin(i / 10000^(2j/d)), P_{i,2j+1} = cos(...)",
        "equations.positional_encoding.positional_encoding",
    ),
    pair("4.3", "x = E + P", "equations.positional_encoding.add_positions"),
    pair("4.3", "x_i = E_i + P_i, P learned", "layers.learned_positions.learned_positions"),
    pair(
        "4.3",
        "variant, rotary: a_mn = (R_m q_m)^T (R_n k_n) / sqrt(d), R_i turns (x_2j, x_2j+1) by i / 10000^(2j/d)",
        "equations.rotary.rotary",
    ),
    Row("4.3", "variant, ALiBi: a_ij = q_i^T k_j / sqrt(d) - m (i - j), j <= i", "equations.alibi.alibi_mask"),
    pair("5", "Dropout(x)", "equations.dropout.dropout"),
    pair(
        "5",
        "u = LayerNorm(x + MultiHead(x)), y = LayerNorm(u + FFN(u))",
        "layers.encoder_layer.post_norm_encoder_layer",
    ),
    pair(
        "5", "u = x + MultiHead(LayerNorm(x)), y = u + FFN(LayerNorm(u))", "layers.encoder_layer.pre_norm_encoder_layer"
    ),
    Row("5", "TransformerEncoderLayer(d_model, nhead, dim_feedforward)", "nn.encoder.TransformerEncoderLayer"),
    pair("6.3", "y_t = [onward_t; back_t]", "layers.bidirectional.bidirectional"),
    pair("6.3", "q = sum_i alpha_i y_i, P(start = i) ~ exp(q W_1 . y_i)", "models.rnn_reader.rnn_reader"),
)


def show(screen: Screen) -> None:
    screen.table(
        ("text", "equation", "function", "backward", "tests"),
        [(row.section, row.equation, row.function, row.backward or "", row.tests) for row in INDEX],
    )


def as_dicts() -> list[dict]:
    """The index for `--json`."""
    return [{**row._asdict(), "tests": row.tests, "notebook": row.notebook} for row in INDEX]


def as_markdown() -> str:
    """The index as the table that stands in the README."""
    lines = ["| text | equation | function | backward | tests | notebook |", "|---|---|---|---|---|---|"]
    for row in INDEX:
        equation = row.equation.replace("|", "\\|")
        backward = f"`{row.backward}`" if row.backward else ""
        notebook = f"[{NOTEBOOKS[row.section]}]({row.notebook})" if row.notebook else ""
        lines.append(f"| {row.section} | `{equation}` | `{row.function}` | {backward} | `{row.tests}` | {notebook} |")
    return "\n".join(lines)
