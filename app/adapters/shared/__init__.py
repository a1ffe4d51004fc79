"""State that the processes of one service share; one process alone shares it through its memory."""
