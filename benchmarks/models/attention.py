"""Networks with attention: a small GPT and a translator with recurrent layers."""

from __future__ import annotations


def gpt(lib, tokens: int = 65, length: int = 64, features: int = 128, heads: int = 4, layers: int = 4):
    """A language model in the manner of GPT-2 (https://github.com/karpathy/nanoGPT): blocks of causal self-attention
    and a feed-forward network, each after a layer norm.

    ``model(text)``, indices of shape (batch, length), returns (batch, length, tokens).
    """
    nn, functional = lib.nn, lib.nn.functional

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.project = nn.Linear(features, 3 * features)
            self.out = nn.Linear(features, features)

        def forward(self, x):
            batch, length, _ = x.shape
            parts = self.project(x).split(features, dim=2)
            query, key, value = (p.view(batch, length, heads, features // heads).transpose(1, 2) for p in parts)
            attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            return self.out(attended.transpose(1, 2).contiguous().view(batch, length, features))

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.attention = nn.LayerNorm(features), Attention()
            self.norm2 = nn.LayerNorm(features)
            self.network = nn.Sequential(
                nn.Linear(features, 4 * features), nn.GELU(), nn.Linear(4 * features, features)
            )

        def forward(self, x):
            x = x + self.attention(self.norm1(x))
            return x + self.network(self.norm2(x))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.places = nn.Embedding(tokens, features), nn.Embedding(length, features)
            self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
            self.norm, self.scores = nn.LayerNorm(features), nn.Linear(features, tokens, bias=False)

        def forward(self, text):
            x = self.words(text) + self.places(lib.arange(text.shape[1]))
            return self.scores(self.norm(self.blocks(x)))

    return Model()


def translator(lib, words: int = 1000, size: int = 64, hidden: int = 128):
    """Sequence to sequence: a recurrent encoder, a recurrent decoder that is shown the target, and attention of its
    states to those of the encoder (https://arxiv.org/abs/1508.04025).

    ``model(source, target)``, indices of shape (batch, lengths), returns (batch, length of target, words).
    """
    nn = lib.nn

    class Translator(nn.Module):
        def __init__(self):
            super().__init__()
            self.source_words, self.target_words = nn.Embedding(words, size), nn.Embedding(words, size)
            self.encoder = nn.GRU(size, hidden, batch_first=True)
            self.decoder = nn.GRU(size, hidden, batch_first=True)
            self.join, self.scores = nn.Linear(2 * hidden, hidden), nn.Linear(hidden, words)

        def forward(self, source, target):
            memory, state = self.encoder(self.source_words(source))
            states, _ = self.decoder(self.target_words(target), state)
            weights = (states @ memory.transpose(1, 2)).softmax(-1)
            joined = lib.cat((states, weights @ memory), -1)
            return self.scores(self.join(joined).tanh())

    return Translator()
