"""The formula of each line: by function and by the name that the line assigns, in the notation of `notation.py`.

Where one name is assigned at several lines (two branches, an array filled in parts) there is one formula for each of
them, or None. `return` is the value of a return line, `return[0]` the first of several. The tests evaluate each formula
against what its line really made.
"""

from minitransformer.learn.trace.notation import Formula, parse
from minitransformer.learn.trace.recorder import Step
from minitransformer.learn.trace.source import read_source

Formulas = dict[str, str | tuple[str | None, ...]]

FORMULAS: dict[str, Formulas] = {
    # equations/softmax.py
    "softmax": {
        "shifted": "shifted[j] = a[j] - max_over(k, a[k])",
        "exps": "exps[j] = exp(shifted[j])",
        "alpha": "alpha[j] = exps[j] / sum(k, exps[k])",
    },
    "softmax_backward": {
        "inner": "inner = sum(k, dalpha[k] * alpha[k])",
        "return": "da[j] = alpha[j] * (dalpha[j] - inner)",
    },
    "masked_softmax": {
        "masked": "masked = MaskedScores(a, mask)",
        "top": "top = max_over(k, masked[k])",
        "finite_top": "finite_top = 0 if top == -inf else top",
        "exps": "exps[j] = exp(masked[j] - finite_top)",
        "total": "total = sum(k, exps[k])",
        "alpha": "alpha[j] = exps[j] / total if total > 0 else 0",
    },
    "masked_scores": {
        "lowered": "lowered[i, j] = a[i, j] + numbers[i, j]",
        "top": "top = max_over(k, lowered[k])",
    },
    "log_softmax": {
        "shifted": "shifted[j] = a[j] - max_over(k, a[k])",
        "exps": "exps[j] = exp(shifted[j])",
        "total": "total = sum(k, exps[k])",
        "log_alpha": "log_alpha[j] = shifted[j] - log(total)",
    },
    "log_softmax_backward": {
        "total": "total = sum(k, dlog_alpha[k])",
        "return": "da[j] = dlog_alpha[j] - cache.alpha[j] * total",
    },
    # equations/compatibility.py
    "dot_product": {"A": "A[i, j] = sum(c, Q[i, c] * K[j, c])"},
    "dot_product_backward": {
        "dQ": "dQ[i, c] = sum(j, dA[i, j] * cache.K[j, c])",
        "dK": "dK[j, c] = sum(i, dA[i, j] * cache.Q[i, c])",
    },
    "scaled_dot_product": {"A": "A[i, j] = sum(c, Q[i, c] * K[j, c]) / sqrt(d_k)"},
    "scaled_dot_product_backward": {"dS": "dS[i, j] = dA[i, j] / sqrt(d_k)"},
    "bilinear": {
        "QM": "QM[i, b] = sum(a, Q[i, a] * M[a, b])",
        "A": "A[i, j] = sum(b, QM[i, b] * K[j, b])",
    },
    "bilinear_backward": {
        "dQM": "dQM[i, b] = sum(j, dA[i, j] * cache.K[j, b])",
        "dK": "dK[j, b] = sum(i, dA[i, j] * cache.QM[i, b])",
        "dQ": "dQ[i, a] = sum(b, dQM[i, b] * cache.M[a, b])",
        "dM": "dM[a, b] = sum(n, rows(cache.Q)[n, a] * rows(dQM)[n, b])",
    },
    "additive": {
        "WQ": "WQ[i, a] = sum(c, W[a, c] * Q[i, c])",
        "UK": "UK[j, a] = sum(c, U[a, c] * K[j, c])",
        "s": "s[i, j, a] = WQ[i, a] + UK[j, a]",
        "t": "t[i, j, a] = tanh(s[i, j, a])",
        "A": "A[i, j] = sum(a, v[a] * t[i, j, a])",
    },
    "additive_backward": {
        "dv": "dv[a] = sum(n, flat(dA)[n] * rows(t)[n, a])",
        "dt": "dt[i, j, a] = dA[i, j] * v[a]",
        "ds": "ds[i, j, a] = dt[i, j, a] * (1 - t[i, j, a] ** 2)",
        "dWQ": "dWQ[i, a] = sum(j, ds[i, j, a])",
        "dUK": "dUK[j, a] = sum(i, ds[i, j, a])",
        "dQ": "dQ[i, c] = sum(a, dWQ[i, a] * W[a, c])",
        "dK": "dK[j, c] = sum(a, dUK[j, a] * U[a, c])",
        "dW": "dW[a, c] = sum(n, rows(dWQ)[n, a] * rows(Q)[n, c])",
        "dU": "dU[a, c] = sum(n, rows(dUK)[n, a] * rows(K)[n, c])",
    },
    # equations/attention_one_query.py
    "attention_one_query": {
        "a": "a[i] = scores[0, i]",
        "alpha": "alpha[i] = exp(a[i]) / sum(j, exp(a[j]))",
        "o": "o[c] = sum(i, alpha[i] * v[i, c])",
    },
    "attention_one_query_backward": {
        "dv": "dv[i, c] = cache.alpha[i] * do[c]",
        "dalpha": "dalpha[i] = sum(c, cache.v[i, c] * do[c])",
        "da": "da[i] = cache.alpha[i] * (dalpha[i] - sum(k, dalpha[k] * cache.alpha[k]))",
    },
    # equations/attention.py
    "attend": {
        "alpha": (
            "alpha[i, j] = exp(A[i, j]) / sum(k, exp(A[i, k]))",
            "alpha = MaskedSoftmax(A, mask)",
        ),
        "weights": "weights[i, j] = m[i, j] * alpha[i, j]",
        "O": "O[i, c] = sum(j, weights[i, j] * V[j, c])",
    },
    "attend_backward": {
        "dV": "dV[j, c] = sum(i, cache.weights[i, j] * dO[i, c])",
        "dweights": "dweights[i, j] = sum(c, dO[i, c] * cache.V[j, c])",
        "dalpha": "dalpha[i, j] = cache.m[i, j] * dweights[i, j]",
        "dA": "dA[i, j] = cache.alpha[i, j] * (dalpha[i, j] - sum(k, dalpha[i, k] * cache.alpha[i, k]))",
    },
    "attention": {
        "A": "A[i, j] = sum(c, Q[i, c] * K[j, c]) / sqrt(dim(K))",
        "O": "O = Attend(A, V)",
    },
    "attention_backward": {
        "dA": "dA = AttendBackward(dO)",
        "dQ": "dQ[i, c] = sum(j, dA[i, j] * cache.scores.K[j, c]) / sqrt(dim(cache.scores.K))",
        "dK": "dK[j, c] = sum(i, dA[i, j] * cache.scores.Q[i, c]) / sqrt(dim(cache.scores.K))",
    },
    "split_heads": {
        "per_position": "per_position[l, n, c] = X[l, n * dim(per_position) + c]",
        "return": "heads[n, l, c] = per_position[l, n, c]",
    },
    "merge_heads": {
        "per_position": "per_position[l, n, c] = heads[n, l, c]",
        "return": "concat[l, j] = per_position[l, j // d_v, j % d_v]",
    },
    # equations/grouped_heads.py
    "share_heads": {"return": "heads[i, l, c] = X[i // (h // h_kv), l, c]"},
    "share_heads_backward": {"return": "dX[g, l, c] = sum(i, by_group[g, i, l, c])"},
    # equations/positional_encoding.py
    "positional_encoding": {
        "angle": "angle[l, j] = l / 10000 ** (2 * j / d)",
        "P": (None, "P[l, 2 * j] = sin(angle[l, j])", "P[l, 2 * j + 1] = cos(angle[l, j])"),
    },
    "add_positions": {
        "return[0]": "x[l, c] = E[l, c] + P[l, c]",
    },
    "position_angles": {"return": "angle[l, j] = (start + l) / 10000 ** (2 * j / d)"},
    "add_positions_backward": {"return": "dE[l, c] = dx[l, c]"},
    # equations/rotary.py
    "rotary": {
        "turned": "turned[l, c] = -X[l, c + 1] if c % 2 == 0 else X[l, c - 1]",
        "Y": "Y[l, c] = X[l, c] * cos[l, c] + turned[l, c] * sin[l, c]",
    },
    "rotary_backward": {
        "turned": "turned[l, c] = -dY[l, c + 1] if c % 2 == 0 else dY[l, c - 1]",
        "return": "dX[l, c] = dY[l, c] * cache.cos[l, c] - turned[l, c] * cache.sin[l, c]",
    },
    # equations/alibi.py
    "alibi_mask": {
        "distance": "distance[p] = L_k - 1 - p",
        "numbers": "numbers[k, p] = -m[k, 0] * distance[p] if distance[p] >= 0 else -inf",
        "return": (None, "mask[k, r, j] = numbers[k, L_q - 1 - r + j]"),
    },
    "alibi_slopes": {"of_n": "of_n[k] = 2 ** (-8 * (k + 1) / n)"},
    # equations/activations.py
    "relu": {"y": "y[i] = max(0, x[i])"},
    "relu_backward": {"return": "dx[i] = dy[i] * (y[i] > 0)"},
    "tanh": {"y": "y[i] = tanh(x[i])"},
    "tanh_backward": {"return": "dx[i] = dy[i] * (1 - y[i] ** 2)"},
    "sigmoid": {"y": "y[i] = 1 / (1 + exp(-x[i]))"},
    "sigmoid_backward": {"return": "dx[i] = dy[i] * y[i] * (1 - y[i])"},
    "gelu": {"Phi": "Phi[i] = (1 + erf(x[i] / sqrt(2))) / 2", "return[0]": "y[i] = x[i] * Phi[i]"},
    "gelu_backward": {
        "phi": "phi[i] = exp(-cache.x[i] ** 2 / 2) / sqrt(2 * pi)",
        "return": "dx[i] = dy[i] * (cache.Phi[i] + cache.x[i] * phi[i])",
    },
    "gelu_tanh": {
        "minus_2u": "minus_2u[i] = -2 * sqrt(2 / pi) * (x[i] + 0.044715 * x[i] ** 3)",
        "Phi": "Phi[i] = 1 / (1 + exp(minus_2u[i]))",
        "return[0]": "y[i] = x[i] * Phi[i]",
    },
    "gelu_tanh_backward": {
        "two_du_dx": "two_du_dx[i] = 2 * sqrt(2 / pi) * (1 + 3 * 0.044715 * near[i] ** 2)",
        "dPhi_dx": "dPhi_dx[i] = Phi[i] * (1 - Phi[i]) * two_du_dx[i]",
        "return": "dx[i] = dy[i] * (Phi[i] + near[i] * dPhi_dx[i])",
    },
    # equations/dropout.py
    "dropout": {"return[0]": ("y[i] = x[i]", "y[i] = x[i] * m[i]")},
    "dropout_backward": {"return": ("dx[i] = dy[i]", "dx[i] = dy[i] * m[i]")},
    # equations/cross_entropy.py
    "cross_entropy": {
        "share": "share = counted / n_targets",
        "q": "q[w] = (1 - label_smoothing) * (w == tokens) + label_smoothing / dim(q)",
        "log_p": "log_p[w] = seen[w] - log(sum(k, exp(seen[k])))",
        "p": "p[w] = exp(log_p[w])",
        "q_log_p": "q_log_p = sum(w, q[w] * log_p[w])",
        "loss": "loss = -sum(n, flat(share)[n] * flat(q_log_p)[n])",
    },
    "cross_entropy_backward": {"return": "dlogits[w] = dloss * share * (p[w] - q[w])"},
    "target_distribution": {
        "q": ("q[w] = e / V", "q[w] = (1 - e) * (w == tokens) + e / V"),
    },
    # layers/linear.py
    "linear": {"y": "y[n, j] = sum(i, rows[n, i] * weights.W[i, j]) + weights.b[j]"},
    "linear_backward": {
        "dx": "dx[n, i] = sum(j, dy_rows[n, j] * weights.W[i, j])",
        "dW": "dW[i, j] = sum(n, rows(x)[n, i] * dy_rows[n, j])",
        "db": "db[j] = sum(n, dy_rows[n, j])",
    },
    # layers/elman.py
    "elman": {"from_x": "from_x[l, j] = sum(i, x[l, i] * weights.W_x[i, j]) + weights.b[j]"},
    "elman_backward": {
        "dx": "dx[l, i] = sum(j, da[l, j] * weights.W_x[i, j])",
        "dW_x": "dW_x[i, j] = sum(n, rows(x)[n, i] * da_rows[n, j])",
        "dW_h": "dW_h[i, j] = sum(n, rows(h_before)[n, i] * da_rows[n, j])",
    },
    # layers/lstm.py
    "lstm": {"from_x": "from_x[l, j] = sum(i, x[l, i] * weights.W_x[i, j]) + weights.b[j]"},
    "lstm_backward": {
        "dx": "dx[l, i] = sum(j, dz[l, j] * weights.W_x[i, j])",
        "dW_x": "dW_x[i, j] = sum(n, rows(x)[n, i] * dz_rows[n, j])",
        "dW_h": "dW_h[i, j] = sum(n, rows(h_before)[n, i] * dz_rows[n, j])",
    },
    # layers/embedding.py
    "embedding": {"return[0]": "x[c] = weights.E[ids, c]"},
    "embedding_backward": {
        "sorted_dx": "sorted_dx[n, c] = rows(dx)[order[n], c]",
        "dE": (None, "dE[w, c] = sum(n, (flat_ids[n] == w) * rows(dx)[n, c])"),
    },
    # layers/layer_norm.py
    "layer_norm": {
        "centred": "centred[i] = x[i] - mean(k, x[k])",
        "variance": "variance = mean(k, centred[k] ** 2)",
        "sigma": "sigma = sqrt(variance + eps)",
        "x_hat": "x_hat[i] = centred[i] / sigma",
        "y": "y[i] = weights.gamma[i] * x_hat[i] + weights.beta[i]",
    },
    "layer_norm_backward": {
        "dy_x_hat": "dy_x_hat[i] = dy[i] * x_hat[i]",
        "dgamma": "dgamma[i] = sum(n, rows(dy_x_hat)[n, i])",
        "dbeta": "dbeta[i] = sum(n, rows(dy)[n, i])",
        "mean_g": "mean_g = mean(k, dy[k] * gamma[k])",
        "mean_g_x_hat": "mean_g_x_hat = mean(k, dy[k] * gamma[k] * x_hat[k])",
        "dx": "dx[i] = (dy[i] * gamma[i] - mean_g - x_hat[i] * mean_g_x_hat) / sigma",
    },
    # layers/rms_norm.py
    "rms_norm": {
        "mean_square": "mean_square = mean(k, x[k] ** 2)",
        "rms": "rms = sqrt(mean_square + eps)",
        "x_hat": "x_hat[i] = x[i] / rms",
        "y": "y[i] = weights.gamma[i] * x_hat[i]",
    },
    "rms_norm_backward": {
        "dy_x_hat": "dy_x_hat[i] = dy[i] * x_hat[i]",
        "dgamma": "dgamma[i] = sum(n, rows(dy_x_hat)[n, i])",
        "mean_g_x_hat": "mean_g_x_hat = mean(k, dy[k] * gamma[k] * x_hat[k])",
        "dx": "dx[i] = (dy[i] * gamma[i] - x_hat[i] * mean_g_x_hat) / rms",
    },
    # layers/add_norm.py
    "residual": {"return[0]": "y[i] = x[i] + dropped[i]"},
    "residual_backward": {"df": "df[i] = dy[i] * m[i]", "return[0]": "dx[i] = dy[i]"},
    "add_norm": {"summed": "summed[i] = x[i] + m[i] * f[i]", "y": "y = LayerNorm(summed)"},
    "add_norm_backward": {
        "dsummed": "dsummed = LayerNormBackward(dy)",
        "dx": "dx[i] = dsummed[i]",
        "df": "df[i] = dsummed[i] * cache.m[i]",
    },
    # layers/feed_forward.py
    "feed_forward": {
        "z": "z[j] = sum(i, x[i] * weights.linear1.W[i, j]) + weights.linear1.b[j]",
        "dropped": "dropped[j] = hidden[j] * m[j]",
        "y": "y[j] = sum(i, dropped[i] * weights.linear2.W[i, j]) + weights.linear2.b[j]",
    },
    "feed_forward_backward": {
        "ddropped": "ddropped[i] = sum(j, dy[j] * cache.linear2.weights.W[i, j])",
        "dhidden": "dhidden[i] = ddropped[i] * cache.m[i]",
        "dx": "dx[i] = sum(j, dz[j] * cache.linear1.weights.W[i, j])",
    },
    # layers/multi_head.py
    "multi_head": {
        "Q": "Q[l, j] = sum(i, x_q[l, i] * weights.query.W[i, j]) + weights.query.b[j]",
        "K": "K[l, j] = sum(i, x_k[l, i] * weights.key.W[i, j]) + weights.key.b[j]",
        "V": "V[l, j] = sum(i, x_v[l, i] * weights.value.W[i, j]) + weights.value.b[j]",
        "Q_heads": "Q_heads[n, l, c] = Q[l, n * dim(Q_heads) + c]",
        "K_heads": "K_heads[n, l, c] = K[l, n * dim(K_heads) + c]",
        "V_heads": "V_heads[n, l, c] = V[l, n * dim(V_heads) + c]",
        "heads": "heads = Attention(Q_turned, K_shared, V_shared)",
        "concat": "concat[l, j] = heads[j // dim(heads), l, j % dim(heads)]",
        "y": "y[l, j] = sum(i, concat[l, i] * weights.output.W[i, j]) + weights.output.b[j]",
    },
    "multi_head_backward": {
        "dconcat": "dconcat[l, i] = sum(j, dy[l, j] * cache.output.weights.W[i, j])",
        "dheads": "dheads[n, l, c] = dconcat[l, n * dim(dheads) + c]",
        "dQ_turned": "dQ_turned = AttentionBackward(dheads)",
        "dQ": "dQ[l, j] = dQ_heads[j // dim(dQ_heads), l, j % dim(dQ_heads)]",
        "dK": "dK[l, j] = dK_heads[j // dim(dK_heads), l, j % dim(dK_heads)]",
        "dV": "dV[l, j] = dV_heads[j // dim(dV_heads), l, j % dim(dV_heads)]",
        "dx_q": "dx_q[l, i] = sum(j, dQ[l, j] * cache.query.weights.W[i, j])",
        "dx_k": "dx_k[l, i] = sum(j, dK[l, j] * cache.key.weights.W[i, j])",
        "dx_v": "dx_v[l, i] = sum(j, dV[l, j] * cache.value.weights.W[i, j])",
    },
    # layers/encoder_layer.py
    "post_norm_encoder_layer": {
        "a": "a = MultiHead(x, x, x)",
        "u": "u = LayerNorm(x + a)",
        "f": "f = FFN(u)",
        "y": "y = LayerNorm(u + f)",
    },
    "post_norm_encoder_layer_backward": {
        "du_around": "du_around = LayerNormBackward(dy)",
        "du_through": "du_through = FFNBackward(df)",
        "du": "du[i] = du_around[i] + du_through[i]",
        "dx_around": "dx_around = LayerNormBackward(du)",
        "dx_q": "dx_q = MultiHeadBackward(da)",
        "dx": "dx[i] = dx_around[i] + dx_q[i] + dx_k[i] + dx_v[i]",
    },
    "pre_norm_encoder_layer": {
        "n1": "n1 = LayerNorm(x)",
        "a": "a = MultiHead(n1, n1, n1)",
        "u": "u = Residual(x + a)",
        "n2": "n2 = LayerNorm(u)",
        "f": "f = FFN(n2)",
        "y": "y = Residual(u + f)",
    },
    "pre_norm_encoder_layer_backward": {
        "du_around": "du_around[i] = dy[i]",
        "dn2": "dn2 = FFNBackward(df)",
        "du_through": "du_through = LayerNormBackward(dn2)",
        "du": "du[i] = du_around[i] + du_through[i]",
        "dx_around": "dx_around[i] = du[i]",
        "dn_q": "dn_q = MultiHeadBackward(da)",
        "dn1": "dn1[i] = dn_q[i] + dn_k[i] + dn_v[i]",
        "dx_through": "dx_through = LayerNormBackward(dn1)",
        "dx": "dx[i] = dx_around[i] + dx_through[i]",
    },
    # layers/encoder.py
    "encoder": {"y": "y = LastNorm(x_n)"},
    "encoder_backward": {"dx_n": ("dx_n = LastNormBackward(dy)", None)},
    # layers/decoder_layer.py
    "post_norm_decoder_layer": {
        "a": "a = MultiHead(x, x, x)",
        "u": "u = LayerNorm(x + a)",
        "c": "c = MultiHead(u, memory, memory)",
        "v": "v = LayerNorm(u + c)",
        "f": "f = FFN(v)",
        "y": "y = LayerNorm(v + f)",
    },
    "post_norm_decoder_layer_backward": {
        "dv_around": "dv_around = LayerNormBackward(dy)",
        "dv_through": "dv_through = FFNBackward(df)",
        "dv": "dv[i] = dv_around[i] + dv_through[i]",
        "du_around": "du_around = LayerNormBackward(dv)",
        "du_q": "du_q = MultiHeadBackward(dc)",
        "dmemory": "dmemory[i] = dmemory_k[i] + dmemory_v[i]",
        "du": "du[i] = du_around[i] + du_q[i]",
        "dx_around": "dx_around = LayerNormBackward(du)",
        "dx_q": "dx_q = MultiHeadBackward(da)",
        "dx": "dx[i] = dx_around[i] + dx_q[i] + dx_k[i] + dx_v[i]",
    },
    "pre_norm_decoder_layer": {
        "n1": "n1 = LayerNorm(x)",
        "a": "a = MultiHead(n1, n1, n1)",
        "u": "u = Residual(x + a)",
        "n2": "n2 = LayerNorm(u)",
        "c": "c = MultiHead(n2, memory, memory)",
        "v": "v = Residual(u + c)",
        "n3": "n3 = LayerNorm(v)",
        "f": "f = FFN(n3)",
        "y": "y = Residual(v + f)",
    },
    "pre_norm_decoder_layer_backward": {
        "dv_around": "dv_around[i] = dy[i]",
        "dn3": "dn3 = FFNBackward(df)",
        "dv_through": "dv_through = LayerNormBackward(dn3)",
        "dv": "dv[i] = dv_around[i] + dv_through[i]",
        "du_around": "du_around[i] = dv[i]",
        "dn2": "dn2 = MultiHeadBackward(dc)",
        "dmemory": "dmemory[i] = dmemory_k[i] + dmemory_v[i]",
        "du_through": "du_through = LayerNormBackward(dn2)",
        "du": "du[i] = du_around[i] + du_through[i]",
        "dx_around": "dx_around[i] = du[i]",
        "dn_q": "dn_q = MultiHeadBackward(da)",
        "dn1": "dn1[i] = dn_q[i] + dn_k[i] + dn_v[i]",
        "dx_through": "dx_through = LayerNormBackward(dn1)",
        "dx": "dx[i] = dx_around[i] + dx_through[i]",
    },
    # layers/decoder.py
    "decoder": {"y": "y = LastNorm(x_n)"},
    "decoder_backward": {"dx_n": ("dx_n = LastNormBackward(dy)", None)},
    # layers/tied_output.py
    "tied_output": {"scores": "scores[n, w] = sum(c, rows[n, c] * weights.E[w, c])"},
    "tied_output_backward": {
        "drows": "drows[n, c] = sum(w, dscores[n, w] * weights.E[w, c])",
        "dE": "dE[w, c] = sum(n, dscores[n, w] * rows(y)[n, c])",
    },
    # models/gpt.py
    "gpt_body": {
        "E": "E[l, c] = weights.embedding.E[ids[l], c]",
        "x": ("x = LearnedPositions(E)", None, "x = AddPositions(E)"),
        "dropped": "dropped[l, c] = x[l, c] * m[l, c]",
        "mask": (None, "mask[i, j] = (j <= n + i)"),
        "y": "y = Encoder(dropped)",
    },
    "gpt_body_backward": {
        "ddropped": "ddropped = EncoderBackward(dy)",
        "dx": "dx[l, c] = ddropped[l, c] * cache.m[l, c]",
        "dE": ("dE[l, c] = dx[l, c]", "dE[l, c] = dx[l, c]"),
    },
    "gpt": {
        "y": "y = GPTBody(ids)",
        "logits": (
            "logits[w] = sum(c, y[c] * weights.body.embedding.E[w, c])",
            "logits[w] = sum(c, y[c] * weights.output.W[c, w]) + weights.output.b[w]",
        ),
    },
    "gpt_backward": {
        "dy": (
            "dy[c] = sum(w, dlogits[w] * cache.output.weights.E[w, c])",
            "dy[c] = sum(w, dlogits[w] * cache.output.weights.W[c, w])",
        ),
    },
}


def formula_at(step: Step, name: str) -> Formula | None:
    """The formula of what `step` made under `name`, if there is one.

    Of several it is the one that belongs to this line: the n-th for the n-th line that assigns the name, or, where an
    array is changed in place, the next one after the assignments above.
    """
    texts = FORMULAS.get(step.function, {}).get(name)
    if texts is None or step.kind == "call":
        return None
    if isinstance(texts, str):
        return parse(texts)
    statements = read_source(step.file).functions[step.start].statements
    wanted = [s for s in statements if (s.kind == "Return" if name.startswith("return") else name in s.targets)]
    rank = sum(statement.first < step.first for statement in wanted)
    text = texts[rank]
    return None if text is None else parse(text)
