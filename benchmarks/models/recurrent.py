"""A language model over characters."""

from __future__ import annotations


def character_model(lib, kind: str, characters: int = 65, size: int = 64, hidden: int = 128):
    """Embedding, one recurrent layer (``kind``: RNN, LSTM or GRU), and a linear layer: scores of the next character.

    ``model(text)``, indices of shape (batch, length), returns (batch, characters, length).
    """
    nn = lib.nn

    class CharacterModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(characters, size)
            self.recurrent = getattr(nn, kind)(size, hidden, batch_first=True)
            self.scores = nn.Linear(hidden, characters)

        def forward(self, text):
            return self.scores(self.recurrent(self.embedding(text))[0]).transpose(1, 2)

    return CharacterModel()
