echo substituting
