"""What somebody wants to be told of: whether it holds, when that turned, and how the word of it gets through. Pure."""
