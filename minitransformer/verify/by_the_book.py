"""Every equation as loops over indices, the way the text prints it: slow, plain, and independent of the package.

Single examples, no batch; matrices are NumPy arrays that are read number by number.
"""

import math

import numpy as np

Array = np.ndarray


def softmax(a):
    """alpha_i = exp(a_i) / sum_j exp(a_j)  (4.1)"""
    exps = [math.exp(a_i) for a_i in a]
    return np.array([e / sum(exps) for e in exps])


def masked_softmax(a, allowed):
    """The softmax over the allowed keys; 0 for the others, and 0 everywhere if none is allowed."""
    exps = [math.exp(a_i) if ok else 0.0 for a_i, ok in zip(a, allowed, strict=True)]
    return np.array([e / sum(exps) if sum(exps) else 0.0 for e in exps])


def log_softmax(a):
    return np.array([math.log(alpha_i) for alpha_i in softmax(a)])


def dot(q, k):
    return sum(q[c] * k[c] for c in range(len(k)))


def scaled_dot(q, k):
    """f(q, k) = q^T k / sqrt(d)  (4.1)"""
    return dot(q, k) / math.sqrt(len(k))


def bilinear(q, k, M):
    """f(q, k) = q^T M k"""
    return sum(q[a] * M[a, b] * k[b] for a in range(len(q)) for b in range(len(k)))


def additive(q, k, W, U, v):
    """f(q, k) = v^T tanh(W q + U k)"""
    return sum(v[a] * math.tanh(dot(W[a], q) + dot(U[a], k)) for a in range(len(v)))


def scores(Q, K, f=scaled_dot):
    return np.array([[f(q, k) for k in K] for q in Q])


def weighted_sum(alpha, v):
    """o = sum_i alpha_i v_i  (4.1)"""
    return np.array([sum(alpha[i] * v[i, c] for i in range(len(v))) for c in range(v.shape[1])])


def attention(Q, K, V, mask=None):
    """Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V  (2.2.1), query by query.

    mask: None, or for each query and key True or False, or a number: what is added to the score; with -infinity the
    query may not attend to the key."""
    rows = []
    for i, q in enumerate(Q):
        a, allowed = [], []
        for j, k in enumerate(K):
            entry = True if mask is None else mask[i][j]
            is_number = not isinstance(entry, bool | np.bool_)
            allowed.append(entry != -math.inf if is_number else bool(entry))
            a.append(scaled_dot(q, k) + (entry if is_number and allowed[j] else 0))
        rows.append(weighted_sum(masked_softmax(a, allowed), V))
    return np.array(rows)


def positional_encoding(L, d):
    """P_{i,2j} = sin(i / 10000^(2j/d)),  P_{i,2j+1} = cos(i / 10000^(2j/d))  (4.3)"""
    P = np.zeros((L, d))
    for i in range(L):
        for column in range(d):
            j = column // 2
            angle = i / 10000 ** (2 * j / d)
            P[i, column] = math.sin(angle) if column == 2 * j else math.cos(angle)
    return P


def rotary(X, start=0):
    """y_2j = x_2j cos(i theta_j) - x_2j+1 sin(i theta_j),  y_2j+1 = x_2j+1 cos(i theta_j) + x_2j sin(i theta_j)

    with theta_j = 10000^(-2j/d), row by row (Su et al. 2021); the first row is position `start`."""
    d = X.shape[1]
    Y = np.zeros(X.shape)
    for row, x in enumerate(X):
        for j in range(d // 2):
            angle = (start + row) * 10000 ** (-2 * j / d)
            Y[row, 2 * j] = x[2 * j] * math.cos(angle) - x[2 * j + 1] * math.sin(angle)
            Y[row, 2 * j + 1] = x[2 * j + 1] * math.cos(angle) + x[2 * j] * math.sin(angle)
    return Y


def alibi_slopes(h):
    """2^(-8/h), 2^(-16/h), ..., 2^-8; between powers of 2 some of the next one are added (Press et al. 2022)."""
    if math.log2(h).is_integer():
        return [2 ** (-8 * (k + 1) / h) for k in range(h)]
    n = 2 ** math.floor(math.log2(h))
    return alibi_slopes(n) + [alibi_slopes(2 * n)[2 * k] for k in range(h - n)]


def alibi_mask(h, L_q, L_k):
    """-m (i - j) for j <= i, the last query at the last key; -infinity for j > i."""
    mask = np.zeros((h, L_q, L_k))
    for head, m in enumerate(alibi_slopes(h)):
        for row in range(L_q):
            i = L_k - L_q + row
            for j in range(L_k):
                mask[head, row, j] = -m * (i - j) if j <= i else -math.inf
    return mask


def relu(x):
    return max(0.0, x)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def elman(x, h_0, W_x, W_h, b):
    """h_t = tanh(x_t W_x + h_{t-1} W_h + b), token by token"""
    h, before = [], h_0
    for x_t in x:
        before = np.array([math.tanh(dot(x_t, W_x[:, j]) + dot(before, W_h[:, j]) + b[j]) for j in range(len(b))])
        h.append(before)
    return np.array(h)


def lstm(x, h_0, c_0, W_x, W_h, b):
    """i, f, o = sigmoid(...), g = tanh(...);  c_t = f c_{t-1} + i g,  h_t = o tanh(c_t), token by token"""
    d_h = len(h_0)
    hs, h, c = [], h_0, c_0
    for x_t in x:
        z = [dot(x_t, W_x[:, j]) + dot(h, W_h[:, j]) + b[j] for j in range(4 * d_h)]
        c = np.array([sigmoid(z[d_h + j]) * c[j] + sigmoid(z[j]) * math.tanh(z[2 * d_h + j]) for j in range(d_h)])
        h = np.array([sigmoid(z[3 * d_h + j]) * math.tanh(c[j]) for j in range(d_h)])
        hs.append(h)
    return np.array(hs)


def gelu(x):
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def gelu_tanh(x):
    return x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


def cross_entropy(logits, targets, label_smoothing=0.0, ignore=-100):
    """-(1/n) sum_i sum_w q_iw log p_iw over the n targets that count; q: smoothed one-hot."""
    V = len(logits[0])
    total, n = 0.0, 0
    for row, target in zip(logits, targets, strict=True):
        if target == ignore:
            continue
        n += 1
        log_p = log_softmax(row)
        for w in range(V):
            q = (1 - label_smoothing) * (w == target) + label_smoothing / V
            total -= q * log_p[w]
    return total / n if n else 0.0


def linear(x, W, b):
    """y_j = sum_i x_i W_ij + b_j, row by row."""
    return np.array([[dot(row, W[:, j]) + b[j] for j in range(W.shape[1])] for row in x])


def layer_norm(x, gamma, beta, eps=1e-5):
    """gamma (x - mean) / sqrt(variance + eps) + beta, variance divided by d, row by row  (3.1.4)"""
    rows = []
    for row in x:
        d = len(row)
        mean = sum(row) / d
        variance = sum((x_c - mean) ** 2 for x_c in row) / d
        rows.append([gamma[c] * (row[c] - mean) / math.sqrt(variance + eps) + beta[c] for c in range(d)])
    return np.array(rows)


def rms_norm(x, gamma, eps=1e-5):
    """gamma x / sqrt(mean(x^2) + eps), row by row  (Zhang, Sennrich 2019)"""
    rows = []
    for row in x:
        d = len(row)
        mean_square = sum(x_c**2 for x_c in row) / d
        rows.append([gamma[c] * row[c] / math.sqrt(mean_square + eps) for c in range(d)])
    return np.array(rows)


def feed_forward(x, weights, activation=relu):
    """max(0, x W_1 + b_1) W_2 + b_2  (3.1.3)"""
    (W_1, b_1), (W_2, b_2) = weights
    hidden = np.array([[activation(z) for z in row] for row in linear(x, W_1, b_1)])
    return linear(hidden, W_2, b_2)


def multi_head(x_q, x_k, x_v, weights, h, mask=None):
    """Concat(head_1, ..., head_h) W^O with head_i = Attention(x W_i^Q, x W_i^K, x W_i^V)  (4.2), W_i d columns of W."""
    (W_Q, b_Q), (W_K, b_K), (W_V, b_V), (W_O, b_O) = weights
    d_k, d_v = W_Q.shape[1] // h, W_V.shape[1] // h
    heads = []
    for i in range(h):
        k_columns, v_columns = slice(i * d_k, (i + 1) * d_k), slice(i * d_v, (i + 1) * d_v)
        Q = linear(x_q, W_Q[:, k_columns], b_Q[k_columns])
        K = linear(x_k, W_K[:, k_columns], b_K[k_columns])
        V = linear(x_v, W_V[:, v_columns], b_V[v_columns])
        heads.append(attention(Q, K, V, mask))
    concat = np.array([[number for head in heads for number in head[i]] for i in range(len(x_q))])
    return linear(concat, W_O, b_O)


def post_norm_encoder_layer(x, weights, h, mask=None, activation=relu, eps=1e-5):
    """u = LayerNorm(x + MultiHead(x)),  y = LayerNorm(u + FFN(u))  (3.1, 5)"""
    self_attention, norm1, ffn, norm2 = weights
    u = layer_norm(x + multi_head(x, x, x, self_attention, h, mask), *norm1, eps)
    return layer_norm(u + feed_forward(u, ffn, activation), *norm2, eps)


def pre_norm_encoder_layer(x, weights, h, mask=None, activation=relu, eps=1e-5):
    """u = x + MultiHead(LayerNorm(x)),  y = u + FFN(LayerNorm(u))"""
    self_attention, norm1, ffn, norm2 = weights
    n = layer_norm(x, *norm1, eps)
    u = x + multi_head(n, n, n, self_attention, h, mask)
    return u + feed_forward(layer_norm(u, *norm2, eps), ffn, activation)


def share_heads(heads, h):
    """Query head i takes key head i // (h / h_kv)  (Ainslie et al. 2023)"""
    h_kv = len(heads)
    return np.array([heads[i * h_kv // h] for i in range(h)])


NO_MASKS = (None, None)


def post_norm_decoder_layer(x, memory, weights, h, masks=NO_MASKS, activation=relu, eps=1e-5):
    """u = LayerNorm(x + MultiHead(x, x, x)),  v = LayerNorm(u + MultiHead(u, memory, memory)),
    y = LayerNorm(v + FFN(v))  (3.2)

    masks: among the targets, and from them to the memory."""
    self_attention, norm1, cross_attention, norm2, ffn, norm3 = weights
    among_targets, of_memory = masks
    u = layer_norm(x + multi_head(x, x, x, self_attention, h, among_targets), *norm1, eps)
    v = layer_norm(u + multi_head(u, memory, memory, cross_attention, h, of_memory), *norm2, eps)
    return layer_norm(v + feed_forward(v, ffn, activation), *norm3, eps)


def pre_norm_decoder_layer(x, memory, weights, h, masks=NO_MASKS, activation=relu, eps=1e-5):
    """u = x + MultiHead(n, n, n) with n = LayerNorm(x),  v = u + MultiHead(LayerNorm(u), memory, memory),
    y = v + FFN(LayerNorm(v))"""
    self_attention, norm1, cross_attention, norm2, ffn, norm3 = weights
    among_targets, of_memory = masks
    n = layer_norm(x, *norm1, eps)
    u = x + multi_head(n, n, n, self_attention, h, among_targets)
    q = layer_norm(u, *norm2, eps)
    v = u + multi_head(q, memory, memory, cross_attention, h, of_memory)
    return v + feed_forward(layer_norm(v, *norm3, eps), ffn, activation)


def bert_embedding(ids, segments, weights, eps=1e-12):
    """x_i = LayerNorm(E[w_i] + P_i + S[s_i])  (3.3)"""
    (E,), (P,), (S,), norm = weights
    total = [
        [E[w, c] + P[i, c] + S[s, c] for c in range(E.shape[1])]
        for i, (w, s) in enumerate(zip(ids, segments, strict=True))
    ]
    return layer_norm(np.array(total), *norm, eps)


def bert(ids, segments, weights, h, length, activation=gelu, eps=1e-12):
    """Post-norm layers on the embedding, each of whose positions attends to the first `length`  (3.3)"""
    allowed = np.array([[j < length for j in range(len(ids))] for _ in ids])
    embedding, (layers, _) = weights
    x = bert_embedding(ids, segments, embedding, eps)
    for layer in layers:
        x = post_norm_encoder_layer(x, layer, h, allowed, activation, eps)
    return x


def pooler(y, W, b):
    """p = tanh(y_1 W + b)  (3.3.2)"""
    return np.array([math.tanh(dot(y[0], W[:, j]) + b[j]) for j in range(len(b))])


def mlm_head(y, weights, E, activation=gelu, eps=1e-12):
    """logits = LayerNorm(GELU(y W + b)) E^T + b_V, row by row  (3.3.1)"""
    transform, norm, b = weights
    hidden = np.array([[activation(z) for z in row] for row in linear(y, *transform)])
    t = layer_norm(hidden, *norm, eps)
    return np.array([[dot(row, E[w]) + b[w] for w in range(len(E))] for row in t])


def bidirectional(x, weights):
    """y_t = [the state after x_1, ..., x_t; the state after x_L, ..., x_t]  (6.3)"""
    onward, back = weights
    zeros = np.zeros(len(onward[1]))
    to_the_right, to_the_left = lstm(x, zeros, zeros, *onward), lstm(x[::-1], zeros, zeros, *back)
    return np.array([[*to_the_right[t], *to_the_left[len(x) - 1 - t]] for t in range(len(x))])


def span_scores(y, W, b):
    """score_ki = y_i . w_k + b_k, of starts and of ends  (3.5.1)"""
    return np.array([[dot(y_i, W[:, k]) + b[k] for y_i in y] for k in range(2)])


def rnn_reader(ids, segments, weights):
    """alpha = softmax(y w) over the question, q = sum_i alpha_i y_i, u_k = q W_k + b_k, score_ki = u_k . y_i  (6.3)"""
    (E,), rnn, (w, b), (W, b_span) = weights
    y = bidirectional(np.array([E[i] for i in ids]), rnn)
    alpha = masked_softmax([dot(y_i, w[:, 0]) + b[0] for y_i in y], [s == 0 for s in segments])
    q = weighted_sum(alpha, y)
    d = y.shape[1]
    u = [[dot(q, W[:, k * d + c]) + b_span[k * d + c] for c in range(d)] for k in range(2)]
    return np.array([[dot(u_k, y_i) for y_i in y] for u_k in u])
